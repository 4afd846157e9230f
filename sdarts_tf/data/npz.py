"""A user's own images in one npz file. Imports no TensorFlow."""

import pathlib

import numpy as np

from sdarts_tf.data import formats
from sdarts_tf.errors import InputError

_LAYOUT = "x_train and y_train with x_test and y_test (also x_valid and y_valid), or images and labels"
_SPLITS = {"train": "train", "test": "test", "valid": "valid", "val": "valid", "validation": "valid"}
_PAIRS = {(f"x_{name}", f"y_{name}"): split for name, split in _SPLITS.items()} | {("images", "labels"): "all"}


def read(path, data_dir=None) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], tuple[str, ...]]:
    """All arrays of a file: `x_train`, `y_train`, `x_test`, `y_test`, or `images`, `labels`; and `label_names`.

    Images are `[n, H, W, C]` or `[n, H, W]`, uint8, or numbers of 0 to 1. Labels are integers `[n]` or `[n, 1]`.

    Args:
        path: the file.
        data_dir: where it is looked for if the path leads nowhere.

    Returns:
        Split -> images uint8 `[n, H, W, C]` and labels as they are stored, with `"all"` for a file without splits; and
        the names of the classes, by default their numbers.

    Raises:
        InputError: the file is missing, damaged, holds something else or more, or not one label for each image.
    """
    path = pathlib.Path(path).expanduser()
    if data_dir is not None and not path.exists():
        path = pathlib.Path(data_dir).expanduser() / path
    arrays = formats.load_npz(path)
    found = {split: _pair(path, arrays, x, y) for split, (x, y) in _keys(path, arrays).items()}
    return found, _names(path, arrays, found)


def _keys(path, arrays):
    """Split -> the names of its images and labels. Nothing that a file holds is passed over in silence."""
    present = {pair: split for pair, split in _PAIRS.items() if set(pair) <= set(arrays)}
    keys = {split: pair for pair, split in present.items()}
    unread = set(arrays) - {name for pair in keys.values() for name in pair} - {"label_names"}
    parted, whole = "train" in keys and "all" not in keys, list(keys) == ["all"]
    if unread or len(keys) < len(present) or not (parted or whole):
        raise InputError(
            f"{path} has the arrays {', '.join(arrays) or 'none'}, but it must hold {_LAYOUT}, beside them label_names "
            "if there are names, and nothing else."
        )
    return keys


def _pair(path, arrays, x, y):
    images, labels = _images(path, x, arrays[x]), _labels(path, y, arrays[y])
    if len(images) != len(labels):
        raise InputError(
            f"{path} holds {len(images):,} images in {x} and {len(labels):,} labels in {y}, but each image needs one; "
            "correct the file."
        )
    return images, labels


def _images(path, key, images):
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if np.issubdtype(images.dtype, np.floating) and images.size and images.min() >= 0 and images.max() <= 1:
        images = np.rint(images * 255).astype(np.uint8)
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise InputError(
            f"{path} holds {key} {images.dtype} {list(images.shape)}, but images must be [n, H, W] or [n, H, W, C], of "
            "uint8 or of numbers from 0 to 1; convert them."
        )
    return images


def _labels(path, key, labels):
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{path} holds {key} {labels.dtype} {list(labels.shape)}, but labels must be integers [n], counted from 0; "
            "convert them."
        )
    return labels


def _names(path, arrays, found):
    if "label_names" in arrays:
        names = tuple(map(str, arrays["label_names"].reshape(-1)))
    else:
        _, labels = found.get("train", found.get("all"))
        names = tuple(map(str, range(int(labels.max()) + 1))) if len(labels) else ()
    if len(names) < 2:
        raise InputError(f"{path} has {len(names)} class, but there must be at least two to tell apart.")
    return names
