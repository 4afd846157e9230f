"""Writers of the layouts that users have on disk, independent of the readers."""

import dataclasses
import io
import pathlib
import pickle
import shutil
import struct
import types

import numpy as np
import pytest
import scipy.io
from PIL import Image

from sdarts_tf.data import sources


def images_and_labels(count, num_classes, seed):
    """Random images `[count, 32, 32, 3]`; the labels go through all classes."""
    images = np.random.RandomState(seed).randint(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, np.arange(count, dtype=np.int32)[::-1] % num_classes


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as byte strings, as the Python 2 of CIFAR's authors did."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012 - pickle's own protocol

    def save_string(self, value):
        value = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(value)) + value)

    dispatch[str] = dispatch[bytes] = save_string


def write_npz(folder, name, parts):
    arrays = {f"{key}_{split}": array for split, part in parts.items() for key, array in zip("xy", part, strict=True)}
    np.savez_compressed(folder / f"{name}.npz", **arrays)


def cifar_batches(name, parts, suffix):
    """(file name, images, labels) of each file; CIFAR-10 has five training batches."""
    if name == "cifar100":
        return [(split + suffix, *part) for split, part in parts.items()]
    batches = [(f"test_batch{suffix}", *parts["test"])]
    for number, rows in enumerate(np.array_split(np.arange(len(parts["train"][1])), 5), start=1):
        batches.append((f"data_batch_{number}{suffix}", *(array[rows] for array in parts["train"])))
    return batches


def write_binary(folder, name, parts):
    folder = folder / {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
    folder.mkdir()
    for file, images, labels in cifar_batches(name, parts, ".bin"):
        with open(folder / file, "wb") as stream:
            for image, label in zip(images, labels, strict=True):
                coarse = bytes([label // 5]) if name == "cifar100" else b""
                planes = b"".join(image[:, :, channel].tobytes() for channel in range(3))
                stream.write(coarse + bytes([label]) + planes)


def write_python(folder, name, parts, pickler=Python2Pickler):
    folder = folder / {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    folder.mkdir()
    for file, images, labels in cifar_batches(name, parts, ""):
        data = np.stack([image.transpose(2, 0, 1).reshape(-1) for image in images])
        record = {"batch_label": "a batch", "data": data, "filenames": [f"{label}.png" for label in labels]}
        if name == "cifar100":
            record |= {"fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}
        else:
            record |= {"labels": labels.tolist()}
        with open(folder / file, "wb") as stream:
            pickler(stream, protocol=2).dump(record)


def write_mat(folder, name, parts):
    for split, (images, labels) in parts.items():
        digits = np.where(labels == 0, 10, labels).astype(np.uint8)[:, np.newaxis]
        scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": digits})


@pytest.fixture
def parts():
    """Maker of `{split: (images, labels)}` of a data set, 40 and 20 images."""

    def make(name):
        num_classes = 100 if name == "cifar100" else 10
        return {"train": images_and_labels(40, num_classes, 0), "test": images_and_labels(20, num_classes, 1)}

    return make


@pytest.fixture
def writers():
    """Layout -> function (folder, data set, parts) that writes it."""
    return {"npz": write_npz, "binary": write_binary, "python": write_python, "mat": write_mat}


@dataclasses.dataclass(frozen=True)
class Imagenet:
    """A small data set as tensorflow-datasets prepares `imagenet2012`; image n is of class n modulo 3.

    Args:
        data_dir: the folder that holds `imagenet2012/`.
    """

    data_dir: pathlib.Path
    classes = ("n01440764", "n01443537", "n01484850")
    splits = types.MappingProxyType({"train": range(14), "validation": range(14, 20)})

    @property
    def folder(self):
        """Where its files lie."""
        return self.data_dir / "imagenet2012" / "5.1.0"

    @staticmethod
    def jpeg(number):
        """Noise of one of many sizes; every fourth is grey, every fifth has more bytes than its image needs."""
        noise = np.random.RandomState(number).randint(0, 256, (30 + number, 60 - number, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).convert("RGB" if number % 4 else "L").save(stream, "JPEG")
        return stream.getvalue() + (b"\0\0" if number % 5 == 0 else b"")

    def prepare(self, splits=("train", "validation"), **options):
        """Stores splits in three files each."""
        import tensorflow_datasets as tfds

        image, classes = tfds.features.Image(encoding_format="jpeg"), tfds.features.ClassLabel(names=self.classes)
        features = {"image": image, "label": classes, "file_name": tfds.features.Text()}
        tfds.dataset_builders.store_as_tfds_dataset(
            name="imagenet2012",
            version="5.1.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={split: [self._keyed_record(number) for number in self.splits[split]] for split in splits},
            data_dir=self.data_dir,
            download_config=tfds.download.DownloadConfig(num_shards=3),
            **options,
        )

    def _keyed_record(self, number):
        name, image = f"{number}.JPEG", io.BytesIO(self.jpeg(number))
        return name, {"image": image, "label": self.classes[number % 3], "file_name": name}

    def numbers_of(self, examples):
        """Which images the examples are, byte for byte."""
        jpegs = {self.jpeg(number): number for numbers in self.splits.values() for number in numbers}
        return [jpegs[examples.content(place)] for place in range(len(examples))]

    @staticmethod
    def overwrite(examples, place, content):
        """Puts other bytes in the place of an image."""
        with open(examples.paths[place], "r+b") as file:
            file.seek(examples.spans[place, 0])
            file.write(content)

    def load(self, split="train", **options):
        """The examples as a command loads them."""
        source = sources.get("imagenet", str(self.data_dir), image_size=16)
        return source.load(split, str(self.data_dir), **options)


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory):
    """Prepared, and not to be changed."""
    imagenet = Imagenet(tmp_path_factory.mktemp("imagenet"))
    imagenet.prepare()
    return imagenet


@pytest.fixture
def own(imagenet, tmp_path):
    """A copy that a test may damage."""
    return Imagenet(shutil.copytree(imagenet.data_dir, tmp_path / "own"))


@pytest.fixture
def empty(tmp_path):
    """Of which nothing is prepared yet."""
    return Imagenet(tmp_path / "data")
