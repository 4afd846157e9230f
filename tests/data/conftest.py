"""Writers of the layouts that users have on disk, independent of the readers."""

import pickle
import struct

import numpy as np
import pytest
import scipy.io


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
