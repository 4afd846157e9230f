"""Image data sets by name. Imports no TensorFlow: a missing file is noticed at once."""

import functools
from collections.abc import Sequence

import numpy as np

from sdarts_tf.data import files, folders, formats, own, records
from sdarts_tf.data.source import Examples, Source
from sdarts_tf.errors import InputError

__all__ = ["IN_FOLDERS", "NAMES", "SOURCES", "Examples", "Source", "check", "get", "is_known", "is_present"]


def _read_digits(split, data_dir):
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, 80 % of every class for training."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis].repeat(3, axis=-1)
    parts = train_test_split(images, digits.target, train_size=1437, random_state=0, stratify=digits.target)
    train_images, test_images, train_labels, test_labels = parts
    return (train_images, train_labels) if split == "train" else (test_images, test_labels)


def _npz_layout(folder, name, shape, num_classes):
    return folder / f"{name}.npz", functools.partial(formats.read_npz, shape=shape, num_classes=num_classes)


def _cifar10_layouts(folder):
    binary = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    python = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    options = {"label_bytes": 1, "num_classes": 10}, {"label_key": "labels", "num_classes": 10}
    yield _npz_layout(folder, "cifar10", (32, 32, 3), 10)
    yield from _cifar_layouts(folder, "cifar-10-batches-bin", binary, "cifar-10-batches-py", python, *options)


def _cifar100_layouts(folder):
    binary, python = {"train": ["train.bin"], "test": ["test.bin"]}, {"train": ["train"], "test": ["test"]}
    options = {"label_bytes": 2, "num_classes": 100}, {"label_key": "fine_labels", "num_classes": 100}
    yield _npz_layout(folder, "cifar100", (32, 32, 3), 100)
    yield from _cifar_layouts(folder, "cifar-100-binary", binary, "cifar-100-python", python, *options)


def _cifar_layouts(folder, binary_name, binary_files, python_name, python_files, binary_options, python_options):
    """The unpacked archives, beside `--data_dir`'s other files or as that folder itself."""

    def read_binary(path, split):
        return formats.read_cifar_binary(path, binary_files[split], **binary_options)

    def read_python(path, split):
        return formats.read_cifar_python(path, python_files[split], **python_options)

    for name, read in ((binary_name, read_binary), (python_name, read_python)):
        yield (folder if folder.resolve().name == name else folder / name), read


def _svhn_layouts(folder):
    yield _npz_layout(folder, "svhn", (32, 32, 3), 10)
    for place in (folder, folder / "svhn"):
        if any((place / f"{split}_32x32.mat").exists() for split in ("train", "test")):
            yield place, lambda path, split: formats.read_svhn_mat(path / f"{split}_32x32.mat")


def check(name: str, known: Sequence[str] | None = None) -> None:
    """Raises InputError, which lists the known names, unless `name` is a data set of images, or one of `known`."""
    if not (is_known(name) if known is None else name in known):
        known = (*NAMES, *own.FORMS) if known is None else known
        raise InputError(f"--dataset={name} is unknown; choose from {', '.join(known)}.")


def is_known(name: str) -> bool:
    """Whether `name` is a data set of images, as far as can be told without looking for it."""
    return name in NAMES or own.matches(name)


def is_present(name: str, data_dir: str | None = None) -> bool:
    """Whether a data set can be read without a download; files and folders count as present."""
    if name not in _PLACES:
        return own.is_present(name, data_dir)
    layouts, tfds_name = _PLACES[name]
    return files.is_present(data_dir, layouts=layouts, tfds_name=tfds_name)


def get(name: str, data_dir: str | None = None, image_size: int | None = None, *, photo_size: int = 224) -> Source:
    """The data set of that name. Own data are looked at here; classes, sizes, mean and deviation are read off them.

    Args:
        name: one of `NAMES`, or of the form `npz:FILE` or `tfds:NAME[/CONFIG]`.
        data_dir: folder of the data.
        image_size: side of the images that a network sees, in pixels; for photos only.
        photo_size: the same where it is left open and images are not small ones of one size.

    Raises:
        InputError: there is none, the size is not free, or what is there cannot be used.

    Example:
        >>> get("digits").load("train").images.shape
        (1437, 8, 8, 3)
    """
    check(name)
    if name == "imagenet":
        return _imagenet(data_dir, photo_size if image_size is None else image_size)
    if name not in SOURCES:
        return own.get(name, data_dir, image_size, photo_size=photo_size)
    side = SOURCES[name].image_shape[0]
    if image_size not in (None, side):
        raise InputError(
            f"--image_size={image_size} is for photos in files, but the images of {name} have {side} "
            "pixels; leave it out."
        )
    return SOURCES[name]


def _imagenet(data_dir, size):
    """ImageNet's photos in class folders or in records."""
    layout = folders if folders.are_in(data_dir) else records
    return Source(
        "imagenet",
        (size, size, 3),
        layout.class_names(data_dir),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        flip=True,
        read=functools.partial(layout.read, image_size=size),
        photos=True,
    )


_CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100_NAMES = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()  # noqa: SIM905
)
_DIGITS = tuple("0123456789")
_ARCHIVES = {
    "cifar10": "cifar-10-batches-bin/ or cifar-10-batches-py/ from the official archives",
    "cifar100": "cifar-100-binary/ or cifar-100-python/ from the official archives",
    "svhn": "train_32x32.mat and test_32x32.mat from the official page",
}
_TORONTO, _STANFORD = "https://www.cs.toronto.edu/~kriz", "http://ufldl.stanford.edu/housenumbers"


def _files(name, layouts, url, tfds_name=None):
    options = {"layouts": layouts, "archives": _ARCHIVES[name], "tfds_name": tfds_name or name, "url": url}
    return functools.partial(files.read, name=name, **options)


_PLACES = {
    "cifar10": (_cifar10_layouts, "cifar10"),
    "cifar100": (_cifar100_layouts, "cifar100"),
    "svhn": (_svhn_layouts, "svhn_cropped"),
}

# Means and deviations as in the official code, `optimizers/darts/utils.py`; it mirrors SVHN's digits too.
SOURCES = {
    "digits": Source("digits", (8, 8, 3), _DIGITS, (0.3054,) * 3, (0.3760,) * 3, False, _read_digits),
    "cifar10": Source(
        "cifar10",
        (32, 32, 3),
        _CIFAR10_NAMES,
        (0.49139968, 0.48215827, 0.44653124),
        (0.24703233, 0.24348505, 0.26158768),
        True,
        _files("cifar10", _cifar10_layouts, f"{_TORONTO}/cifar-10-binary.tar.gz"),
    ),
    "cifar100": Source(
        "cifar100",
        (32, 32, 3),
        _CIFAR100_NAMES,
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
        True,
        _files("cifar100", _cifar100_layouts, f"{_TORONTO}/cifar-100-binary.tar.gz"),
    ),
    "svhn": Source(
        "svhn",
        (32, 32, 3),
        _DIGITS,
        (0.4377, 0.4438, 0.4728),
        (0.1980, 0.2010, 0.1970),
        True,
        _files("svhn", _svhn_layouts, f"{_STANFORD}/train_32x32.mat", "svhn_cropped"),
    ),
}

IN_FOLDERS = ("imagenet", "folder")
NAMES = (*SOURCES, *IN_FOLDERS)
