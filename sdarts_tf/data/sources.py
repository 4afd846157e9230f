"""Image data sets by name. Imports no TensorFlow: a missing file is noticed at once."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from sdarts_tf.data import files, folders, formats, records
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images.

    Args:
        images: uint8 `[n, H, W, 3]`.
        labels: int32 `[n]`.

    Example:
        >>> examples = Examples(np.zeros((5, 8, 8, 3), np.uint8), np.arange(5, dtype=np.int32))
        >>> len(examples), examples.part(3, 5).labels.tolist()
        (5, [3, 4])
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def checksum(self) -> int:
        """32 bits that change with the labels or their order."""
        return zlib.crc32(self.labels.tobytes())

    def part(self, start: int, stop: int | None) -> "Examples":
        """The examples `start` to `stop - 1`, or to the last, without a copy."""
        return Examples(self.images[start:stop], self.labels[start:stop])

    def take(self, places) -> "Examples":
        """The examples at `places`, in that order, as a copy."""
        return Examples(self.images[places], self.labels[places])


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set.

    Args:
        name: as in `--dataset`.
        image_shape: height, width, channels.
        label_names: the classes, in the order of their labels.
        mean, std: of each channel over the training images, whose pixels count from 0 to 1.
        flip: whether training mirrors images unless it is told otherwise.
        read: function of (split, data_dir) -> images and labels as arrays, or, with `max_examples`, photos in files.
        photos: whether images lie in files and differ in size, so that training cuts a random part out of each.
    """

    name: str
    image_shape: tuple[int, int, int]
    label_names: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flip: bool
    read: Callable
    photos: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    @property
    def crop_padding(self) -> int:
        """Pixels of zeros around an image before training crops it, unless it is told otherwise: an eighth of it."""
        return 0 if self.photos else min(self.image_shape[:2]) // 8

    @property
    def cutout_length(self) -> int:
        """Side in pixels of the square that retraining blanks, unless it is told otherwise: half of the image's."""
        return 0 if self.photos else min(self.image_shape[:2]) // 2

    @property
    def description(self) -> DataDescription:
        """What a network trained on this data must know of it."""
        return DataDescription(self.name, self.image_shape, self.label_names, self.mean, self.std)

    def load(self, split: str, data_dir: str | None = None, max_examples: int | None = None) -> Examples | FileExamples:
        """The examples of one split, always in the same order.

        Args:
            split: `"train"` or `"test"`.
            data_dir: folder with the data set's files or with prepared tensorflow-datasets; default
                `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
            max_examples: only the first ones, which may be found faster.

        Raises:
            InputError: a file is damaged, or there is neither a file nor a network.
            RunError: the download failed.
        """
        if split not in ("train", "test"):
            raise InputError(f"{self.name} has no split {split!r}; choose train or test.")
        if self.photos:
            return self.read(split, data_dir, max_examples=max_examples)
        images, labels = self.read(split, data_dir)
        arrays = formats.checked(self.name, images, labels, shape=self.image_shape, num_classes=self.num_classes)
        return Examples(*arrays).part(0, max_examples)


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
    """Raises InputError, which lists the known names, unless `name` is a data set, or one of `known`."""
    known = NAMES if known is None else known
    if name not in known:
        raise InputError(f"--dataset={name} is unknown; choose from {', '.join(known)}.")


def get(name: str, data_dir: str | None = None, image_size: int | None = None) -> Source:
    """The data set of that name.

    Args:
        name: one of `NAMES`.
        data_dir: folder of the data; `folder` and `imagenet` read the names of their classes there.
        image_size: side of the images that a network sees, in pixels; `folder` and `imagenet` only, default 224.

    Raises:
        InputError: there is none, the size is not free, or the folder holds no classes.

    Example:
        >>> get("digits").load("train").images.shape
        (1437, 8, 8, 3)
    """
    check(name)
    if name in IN_FOLDERS:
        return _photo_source(name, data_dir, 224 if image_size is None else image_size)
    side = SOURCES[name].image_shape[0]
    if image_size not in (None, side):
        raise InputError(
            f"--image_size={image_size} is for {' and '.join(IN_FOLDERS)}, but the images of {name} have {side} "
            "pixels; leave it out."
        )
    return SOURCES[name]


def _photo_source(name, data_dir, size):
    """Photos in class folders or, of ImageNet, in records; its mean and deviation serve all photographs."""
    layout = records if name == "imagenet" and not folders.are_in(data_dir) else folders
    return Source(
        name,
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
