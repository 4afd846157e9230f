"""Readers of the image files that users have on disk. Each reads everything or raises InputError; none runs code.

Every reader returns uint8 images `[n, H, W, 3]` and int32 labels `[n]`.
"""

import io
import pathlib
import pickle
import re

import numpy as np

from sdarts_tf.errors import InputError


def checked(path, images, labels, *, shape, num_classes):
    """The arrays as uint8 and int32, or InputError that says what is wrong with the file `path`.

    Args:
        path: named in the error.
        images: expected uint8 `[n, *shape]`, n at least 1.
        labels: expected integers `[n]`, 0 to num_classes - 1.
        shape: height, width, channels.
        num_classes: number of classes.

    Raises:
        InputError: something else was given.

    Example:
        >>> images, labels = checked("a.npz", np.zeros((2, 8, 8, 3), np.uint8), [3, 0], shape=(8, 8, 3), num_classes=4)
        >>> labels.dtype
        dtype('int32')
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.shape[1:] != tuple(shape):
        raise InputError(
            f"{path} holds images {images.dtype} {list(images.shape)}, but they must be uint8 "
            f"[n, {', '.join(map(str, shape))}]; convert them or name another data set."
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{path} holds {len(images)} images but labels {labels.dtype} {list(labels.shape)}; give one integer for "
            "every image."
        )
    if not len(images):
        raise InputError(f"{path} holds no images, but it must have at least one; get the file again.")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            f"{path} has labels from {labels.min()} to {labels.max()}, but they must be 0 to {num_classes - 1}; "
            "correct the file or name another data set."
        )
    return np.ascontiguousarray(images), labels.astype(np.int32)


def read_npz(path, split, *, shape, num_classes):
    """`x_<split>` and `y_<split>` of an npz file, named as in `keras.datasets`; labels `[n]` or `[n, 1]`.

    Args:
        path: the file; it may also hold `label_names`, one for every class.
        split: `"train"` or `"test"`; the arrays of the other one are not read.
        shape, num_classes: as for `checked`.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    path, keys = pathlib.Path(path), (f"x_{split}", f"y_{split}")
    arrays = load_npz(path, (*keys, "label_names"))
    for key in keys:
        if key not in arrays:
            raise InputError(
                f"{path} has no array {key!r}, but it must hold x_train, y_train, x_test and y_test; write it again "
                "with numpy.savez."
            )
    images, labels = (arrays[key] for key in keys)
    if "label_names" in arrays and arrays["label_names"].size != num_classes:
        raise InputError(
            f"{path} has {arrays['label_names'].size} label_names, but the data set has {num_classes} classes; correct "
            "the file or name another data set."
        )
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    return checked(path, images, labels, shape=shape, num_classes=num_classes)


def load_npz(path: pathlib.Path, keys=None) -> dict[str, np.ndarray]:
    """The arrays of an npz file, those named by `keys` or all.

    Raises:
        InputError: the file is missing or damaged, or holds what would have to be unpickled.
    """
    content = _bytes(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {key: archive[key] for key in (archive if keys is None else keys) if key in archive}
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise _damaged(path, error) from error


def read_cifar_binary(folder, files, *, label_bytes, num_classes):
    """CIFAR's binary files: records of label bytes and 3,072 bytes: red, green and blue planes, rows first.

    Args:
        folder: the unpacked archive.
        files: names of the files of a split, all of which must exist; any number of records each.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, of which the last, the fine label, counts.
        num_classes: as for `checked`.

    Raises:
        InputError: a file is missing or damaged, or holds something else.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    parts, size = [], label_bytes + 3 * 32 * 32
    for path in (pathlib.Path(folder) / name for name in files):
        records = np.frombuffer(_bytes(path), np.uint8)
        if records.size == 0 or records.size % size:
            raise InputError(
                f"{path} has {records.size} bytes, but it must have a multiple of {size}, the size of a record; unpack "
                "the archive again."
            )
        records = records.reshape(-1, size)
        images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        parts.append(checked(path, images, records[:, label_bytes - 1], shape=(32, 32, 3), num_classes=num_classes))
    return _joined(parts)


def read_cifar_python(folder, files, *, label_key, num_classes):
    """CIFAR's pickled archives, read by an unpickler that admits nothing but NumPy arrays.

    Args:
        folder: the unpacked archive.
        files: names of the files of a split, all of which must exist; any number of images each.
        label_key: `"labels"` for CIFAR-10, `"fine_labels"` for CIFAR-100.
        num_classes: as for `checked`.

    Raises:
        InputError: a file is missing or damaged, asks for code, or holds something else.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    parts = []
    for path in (pathlib.Path(folder) / name for name in files):
        record = _unpickle(path)
        missing = [key for key in ("data", label_key) if key not in record]
        if missing:
            raise InputError(
                f"{path} has no {missing[0]!r}, but a batch of CIFAR has 'data' and {label_key!r}; unpack the archive "
                "again."
            )
        data, labels = np.asarray(record["data"]), _array(path, record[label_key])
        if data.shape[1:] != (3 * 32 * 32,):
            raise InputError(
                f"{path} holds data {list(data.shape)}, but a batch of CIFAR has [n, 3072]; unpack the archive again."
            )
        images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        parts.append(checked(path, images, labels, shape=(32, 32, 3), num_classes=num_classes))
    return _joined(parts)


def read_svhn_mat(path):
    """SVHN's cropped digits: `X` `[32, 32, 3, n]` and `y` `[n, 1]`, in which 10 stands for the digit 0.

    Args:
        path: `train_32x32.mat` or `test_32x32.mat`.

    Raises:
        InputError: the file is missing, damaged, or holds something else.

    Source: http://ufldl.stanford.edu/housenumbers
    """
    import scipy.io

    path = pathlib.Path(path)
    content = _bytes(path)
    try:
        record = scipy.io.loadmat(io.BytesIO(content), variable_names=["X", "y"])
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise _damaged(path, error) from error
    missing = [key for key in ("X", "y") if key not in record]
    if missing or record["X"].ndim != 4:
        raise InputError(
            f"{path} has no {missing[0] if missing else 'X of four dimensions'}, but SVHN's cropped digits have X "
            "[32, 32, 3, n] and y [n, 1]; get the file of format 2 again."
        )
    labels = record["y"].reshape(-1)
    if not np.isin(labels, np.arange(1, 11)).all():
        raise InputError(
            f"{path} has labels from {labels.min()} to {labels.max()}, but SVHN's are the integers 1 to 10; get the "
            "file again."
        )
    images = record["X"].transpose(3, 0, 1, 2)
    return checked(path, images, labels.astype(np.int32) % 10, shape=(32, 32, 3), num_classes=10)


def reason(error):
    """The kind and the first sentence of a foreign error, on one line of limited length.

    Example:
        >>> reason(OSError("Not a file. Or is it?"))
        'OSError: Not a file'
    """
    text = re.sub(r"{{.*?}}|\[Op:\w+\]", "", str(error))  # TensorFlow's nodes and operations
    text = " ".join(text.split()).split(". ")[0].rstrip(".")
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain Python values; refuses every other global, so that no code runs."""

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image needs")
        return _ADMITTED[module, name]


def _latin1_bytes(text, encoding):
    # How pickles of protocol 2 spell bytes; other codecs could unpack a few bytes into gigabytes.
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}, which no image needs")
    return text.encode("latin1")


def _unpickle(path):
    content = _bytes(path)
    try:
        record = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise almost anything
        raise _damaged(path, error) from error
    if not isinstance(record, dict):
        raise InputError(
            f"{path} holds a {type(record).__name__}, but a batch of CIFAR is a dict; unpack the archive again."
        )
    # Archives pickled again by Python 3 have the keys as bytes.
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in record.items()}


def _array(path, values):
    try:
        return np.asarray(values)
    except ValueError as error:  # a ragged list
        raise _damaged(path, error) from error


def _bytes(path):
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing, but {path.parent} must hold it; get the whole data set again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}), but it must be a file; check it.") from error


def _damaged(path, error):
    return InputError(f"{path} is damaged or of another format ({reason(error)}); get the file again.")


def _joined(parts):
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
}
