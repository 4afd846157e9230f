"""Readers of the image files that users have on disk. Each reads everything or raises InputError; none runs code.

Every reader returns uint8 images `[n, H, W, 3]` and int32 labels `[n]`.
"""

import io
import pathlib
import pickle
import zipfile

import numpy as np

from sdarts_tf.errors import InputError


def checked(path, images, labels, *, shape, num_classes):
    """The arrays as uint8 and int32, or InputError that says what is wrong with the file `path`.

    Args:
        path: named in the error.
        images: expected uint8 `[n, *shape]`.
        labels: expected integers `[n]`, 0 to num_classes - 1.
        shape: height, width, channels.
        num_classes: number of classes.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.shape[1:] != tuple(shape):
        raise InputError(
            f"{path} holds images {images.dtype} {list(images.shape)}; they must be uint8 [n, {', '.join(map(str, shape))}]."
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{path} holds {len(images)} images and labels {labels.dtype} {list(labels.shape)}; give one integer per image."
        )
    if not len(images):
        raise InputError(f"{path} holds no images; get the file again.")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            f"{path} has labels from {labels.min()} to {labels.max()}; they must be 0 to {num_classes - 1}, so correct "
            "the file or name another data set."
        )
    return images, labels.astype(np.int32)


def read_npz(path, split, *, shape, num_classes):
    """`x_<split>`, `y_<split>` of an npz file, as `keras.datasets` names them."""
    path = pathlib.Path(path)
    keys = f"x_{split}", f"y_{split}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive]
            if missing:
                raise InputError(f"{path} has no array {missing[0]!r}; it must hold x_train, y_train, x_test and y_test.")
            images, labels = (archive[key] for key in keys)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, error) from error
    return checked(path, images, labels.reshape(-1), shape=shape, num_classes=num_classes)


def read_cifar_binary(folder, files, *, label_bytes, num_classes):
    """Records of label bytes (the last one counts) and 3,072 bytes: red, green and blue planes, rows first."""
    parts = []
    for name in files:
        path = pathlib.Path(folder) / name
        records = np.frombuffer(_bytes(path), np.uint8)
        size = label_bytes + 3 * 32 * 32
        if records.size == 0 or records.size % size:
            raise InputError(f"{path} has {records.size} bytes, not a multiple of {size}; it is damaged, get it again.")
        records = records.reshape(-1, size)
        images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = records[:, label_bytes - 1].astype(np.int32)
        parts.append(checked(path, images, labels, shape=(32, 32, 3), num_classes=num_classes))
    return _joined(parts)


def read_cifar_python(folder, files, *, label_key, num_classes):
    """The pickled archives, read by an unpickler that admits nothing but NumPy arrays."""
    parts = []
    for name in files:
        path = pathlib.Path(folder) / name
        record = _unpickle(path)
        try:
            data, labels = np.asarray(record["data"]), np.asarray(record[label_key])
            images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not a batch of CIFAR's python archive ({error}); get it again.") from error
        parts.append(checked(path, images, labels, shape=(32, 32, 3), num_classes=num_classes))
    return _joined(parts)


def read_svhn_mat(path, *, num_classes=10):
    """SVHN's cropped digits: `X` `[32, 32, 3, n]`, `y` `[n, 1]` with 10 for the digit 0."""
    import scipy.io

    path = pathlib.Path(path)
    try:
        record = scipy.io.loadmat(io.BytesIO(_bytes(path)), variable_names=["X", "y"])
        images, labels = record["X"], record["y"].reshape(-1).astype(np.int32)
        images = images.transpose(3, 0, 1, 2)
    except InputError:
        raise
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise _damaged(path, error) from error
    if len(labels) and (labels.min() < 1 or labels.max() > 10):
        raise InputError(f"{path} has labels from {labels.min()} to {labels.max()}; SVHN's are 1 to 10, get the file again.")
    return checked(path, images, labels % 10, shape=(32, 32, 3), num_classes=num_classes)


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain Python values; refuses every other global, so that no code runs."""

    _ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module, name):
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickle(path):
    try:
        record = _ArrayUnpickler(io.BytesIO(_bytes(path)), encoding="latin1").load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise almost anything
        raise _damaged(path, error) from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is not a batch of CIFAR's python archive; get it again.")
    return record


def _bytes(path):
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; unpack the whole archive again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error


def _damaged(path, error):
    return InputError(f"{path} is damaged or of another format ({type(error).__name__}: {error}); get the file again.")


def _joined(parts):
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
