"""Photos in class folders: what is found there, without decoding any. Imports no TensorFlow."""

import dataclasses
import os
import pathlib
import zlib

import numpy as np

from sdarts_tf.errors import InputError

# Endings of what TensorFlow decodes; a file's content may be any of these formats, whatever its ending. BMP is none of
# them: TensorFlow takes the numbers of a palette's colors for gray levels.
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp")


@dataclasses.dataclass(frozen=True)
class Distortion:
    """How training cuts photos out and colors them at random.

    Args:
        min_area: smallest share of a photo's area that is cut out, above 0, at most 1.
        jitter: whether brightness, contrast, saturation and hue vary.

    Source: the transforms of the official `train_imagenet.py`.
    """

    min_area: float = 0.08
    jitter: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class FileExamples:
    """Labelled photos of any size, each of which is decoded when it is needed.

    Args:
        paths: `[n]` texts.
        labels: int32 `[n]`.
        image_size: side of the square, in pixels, that is cut out of each photo.
        distortion: how training cuts out; None takes the middle, as evaluation does.
        channels: 3, or 1, for which colors become gray levels.
        spans: int64 `[n, 2]`, the first byte of each photo in its file and the number of its bytes; None where every
            photo is a whole file.

    Example:
        >>> photos = FileExamples(np.array(["a.jpg", "b.png"]), np.array([0, 1], np.int32), image_size=224)
        >>> len(photos), photos.part(1, 2).paths.tolist()
        (2, ['b.png'])
    """

    paths: np.ndarray
    labels: np.ndarray
    image_size: int
    distortion: Distortion | None = None
    spans: np.ndarray | None = None
    channels: int = 3

    def __len__(self):
        return len(self.labels)

    def checksum(self) -> int:
        """32 bits that change with the labels, the names of the files or their order, not with where they lie."""
        names = "\n".join("/".join(path.rsplit(os.sep, 2)[-2:]) for path in self.paths.tolist())
        return zlib.crc32(names.encode("utf-8", "surrogateescape"), zlib.crc32(self.labels.tobytes()))

    def part(self, start: int, stop: int | None) -> "FileExamples":
        """The examples `start` to `stop - 1`, or to the last."""
        spans = None if self.spans is None else self.spans[start:stop]
        return dataclasses.replace(self, paths=self.paths[start:stop], labels=self.labels[start:stop], spans=spans)

    def take(self, places) -> "FileExamples":
        """The examples at `places`, in that order."""
        spans = None if self.spans is None else self.spans[places]
        return dataclasses.replace(self, paths=self.paths[places], labels=self.labels[places], spans=spans)

    def distorted(self, distortion: Distortion) -> "FileExamples":
        """The same photos as training sees them."""
        return dataclasses.replace(self, distortion=distortion)

    def content(self, place: int) -> bytes:
        """The photo at a place, encoded as it is stored."""
        start, size = (0, -1) if self.spans is None else self.spans[place]
        with pathlib.Path(self.paths[place]).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(size)


def are_in(data_dir) -> bool:
    """Whether the folder holds any class folders for training."""
    return data_dir is not None and bool(_folders(pathlib.Path(data_dir).expanduser() / "train"))


def class_names(data_dir) -> tuple[str, ...]:
    """The classes of a folder: the names of the folders in `DIR/train`, or else in `DIR`, sorted.

    Raises:
        InputError: there is no such layout; the sentence says what it looks like.
    """
    if data_dir is None:
        raise InputError(f"--data_dir is missing; name {_LAYOUT}.")
    folder = pathlib.Path(data_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"--data_dir={data_dir} is not a folder; name {_LAYOUT}.")
    names = _folders(folder if _is_flat(folder) else folder / "train")
    if len(names) < 2:
        found = f"{len(names)} class folders in train/" if (folder / "train").is_dir() else "no folder train/"
        raise InputError(f"--data_dir={data_dir} has {found}; name {_LAYOUT}.")
    return names


def splits(data_dir) -> tuple[str, ...]:
    """The splits of a folder: `train` and `test`, and `valid` where there are folders for both."""
    folder = pathlib.Path(data_dir).expanduser()
    both = _folders(folder / "test") and any(_folders(folder / name) for name in _VALID)
    return ("train", "valid", "test") if both else ("train", "test")


def read(split: str, data_dir, *, image_size: int, max_examples: int | None = None) -> FileExamples:
    """The photos of one split, mixed: always in the same order, which depends on the names of the files alone.

    Args:
        split: `"train"`; `"test"`, which is `DIR/test` or else `DIR/val`; or `"valid"`, which is `DIR/val`, a name that
            may also be written `valid` or `validation`. Of class folders right in `DIR` a fifth of each is for testing.
        data_dir: the folder.
        image_size: side of the square that a network sees, in pixels.
        max_examples: only the first ones.

    Raises:
        InputError: a class folder is missing or empty, or a file is no image; the sentence names it.
    """
    names = class_names(data_dir)
    folder = pathlib.Path(data_dir).expanduser()
    if _is_flat(folder):
        examples = _read_classes(folder, names, image_size)
        train, test = parted(examples.labels)
        return examples.take(train if split == "train" else test).part(0, max_examples)
    if split != "train":
        order = ("test", *_VALID) if split == "test" else _VALID
        split = next((name for name in order if _folders(folder / name)), "val")
    found = _folders(folder / split)
    if not found:
        raise InputError(f"--data_dir={data_dir} has no class folders in test/ or val/; name {_LAYOUT}.")
    for name in sorted(set(names) ^ set(found)):
        lacking = split if name in names else "train"
        raise InputError(
            f"{folder / lacking / name} is missing, but train/ and {split}/ must have the same classes; add the "
            "folder or remove its counterpart."
        )
    return _read_classes(folder / split, names, image_size).part(0, max_examples)


def parted(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the training and of the test images, where nobody has set any apart: a fifth of each class is tested.

    The parts depend on the labels alone, and keep their order. A class with one image is trained.

    Raises:
        InputError: no class has a second image.

    Example:
        >>> train, test = parted(np.array([0] * 10 + [1] * 3))
        >>> len(train), len(test), np.bincount(np.array([0] * 10 + [1] * 3)[test]).tolist()
        (10, 3, [2, 1])
    """
    tested = np.zeros(len(labels), bool)
    random = np.random.RandomState(0)
    for label in np.unique(labels):
        (places,) = np.nonzero(labels == label)
        tested[random.permutation(places)[: min(round(len(places) / 5) or 1, len(places) - 1)]] = True
    if not tested.any():
        raise InputError(
            f"No class has more than one image, so that none of the {len(labels)} can be set apart for testing; add "
            "images, or a part for testing."
        )
    return np.nonzero(~tested)[0], np.nonzero(tested)[0]


def _is_flat(folder):
    """Whether class folders lie right in the folder, not in those of splits."""
    return bool(_folders(folder)) and not any((folder / name).is_dir() for name in ("train", "test", *_VALID))


def _read_classes(folder, names, image_size):
    files = [_files(folder / name) for name in names]
    paths = np.array([str(path) for of_class in files for path in of_class])
    labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(of_class) for of_class in files])
    # Mixed, so that the first or the last examples are no single class. Legacy generators never change their numbers.
    order = np.random.RandomState(0).permutation(len(labels))
    return FileExamples(paths[order], labels[order], image_size)


def _folders(folder):
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def _files(folder):
    """The images of one class, sorted; hidden files are passed over."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{path} is no image; remove it, or give it the ending {', '.join(SUFFIXES)} if it is one."
            )
    if not paths:
        raise InputError(f"{folder} holds no images, but every class needs one; add images or remove the class.")
    return paths


_VALID = ("val", "valid", "validation")
_LAYOUT = "the folder that holds train/<class>/<image> and val/<class>/<image> (or test/ instead of val/)"
