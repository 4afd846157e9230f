"""Every layout gives the same images; every damaged or foreign file is refused in one sentence."""

import io
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import scipy.io

from sdarts_tf.data import formats
from sdarts_tf.errors import InputError

CIFAR10 = {"shape": (32, 32, 3), "num_classes": 10}
BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}


def read_npz(folder, split="train"):
    return formats.read_npz(folder / "cifar10.npz", split, **CIFAR10)


def read_binary(folder, split="train"):
    files = [f"{name}.bin" for name in BATCHES[split]]
    return formats.read_cifar_binary(folder / "cifar-10-batches-bin", files, label_bytes=1, num_classes=10)


def read_python(folder, split="train"):
    return formats.read_cifar_python(folder / "cifar-10-batches-py", BATCHES[split], label_key="labels", num_classes=10)


def read_mat(folder, split="train"):
    return formats.read_svhn_mat(folder / f"{split}_32x32.mat")


READERS = {"npz": read_npz, "binary": read_binary, "python": read_python, "mat": read_mat}
FILES = {
    "npz": "cifar10.npz",
    "binary": "cifar-10-batches-bin/data_batch_3.bin",
    "python": "cifar-10-batches-py/data_batch_3",
    "mat": "train_32x32.mat",
}


def refusal(read, *arguments, **options):
    """The message of the InputError, which must be one line that ends its only sentence."""
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    assert not re.search(r"\. [A-Z]", message), message
    return message


@pytest.mark.parametrize("layout", READERS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_layouts_hold_the_same_images(layout, split, writers, parts, tmp_path):
    expected = parts("cifar10")
    writers[layout](tmp_path, "cifar10", expected)
    images, labels = READERS[layout](tmp_path, split)
    np.testing.assert_array_equal(images, expected[split][0])
    np.testing.assert_array_equal(labels, expected[split][1])
    assert images.dtype == np.uint8 and labels.dtype == np.int32 and images.flags.c_contiguous


@pytest.mark.parametrize("layout", READERS)
def test_missing_file(layout, writers, parts, tmp_path):
    writers[layout](tmp_path, "cifar10", parts("cifar10"))
    (tmp_path / FILES[layout]).unlink()
    message = refusal(READERS[layout], tmp_path)
    assert str(tmp_path / FILES[layout]) in message and "is missing" in message


@pytest.mark.parametrize("layout", READERS)
def test_folder_in_place_of_a_file(layout, writers, parts, tmp_path):
    writers[layout](tmp_path, "cifar10", parts("cifar10"))
    (tmp_path / FILES[layout]).unlink()
    (tmp_path / FILES[layout]).mkdir()
    assert str(tmp_path / FILES[layout]) in refusal(READERS[layout], tmp_path)


@pytest.mark.parametrize("layout", READERS)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.45, 0.9, 0.999])
def test_truncated_file(layout, kept, writers, parts, tmp_path):
    writers[layout](tmp_path, "cifar10", parts("cifar10"))
    path = tmp_path / FILES[layout]
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert str(path) in refusal(READERS[layout], tmp_path)


@pytest.mark.parametrize("layout", ["npz", "python", "mat"])
def test_foreign_content(layout, writers, parts, tmp_path):
    writers[layout](tmp_path, "cifar10", parts("cifar10"))
    (tmp_path / FILES[layout]).write_bytes(b"<html>404 Not Found</html>" * 400)
    message = refusal(READERS[layout], tmp_path)
    assert str(tmp_path / FILES[layout]) in message and "damaged or of another format" in message


@pytest.mark.parametrize("layout", READERS)
def test_label_out_of_range(layout, writers, parts, tmp_path):
    wrong = parts("cifar10")
    wrong["train"][1][17] = 11  # the third batch holds 16 to 23
    writers[layout](tmp_path, "cifar10", wrong)
    message = refusal(READERS[layout], tmp_path)
    assert str(tmp_path / FILES[layout]) in message and "to 11" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.update(x_train=arrays["x_train"] / 255), ["float64", "uint8 [n, 32, 32, 3]"]),
        (lambda arrays: arrays.update(x_train=arrays["x_train"][:, 2:30, 2:30]), ["[40, 28, 28, 3]", "32, 32, 3"]),
        (lambda arrays: arrays.update(x_train=arrays["x_train"][..., 0]), ["[40, 32, 32]", "32, 32, 3"]),
        (lambda arrays: arrays.update(y_train=arrays["y_train"][:-1]), ["40 images", "[39]"]),
        (lambda arrays: arrays.update(y_train=np.eye(10, dtype=int)[arrays["y_train"]]), ["[40, 10]", "one integer"]),
        (lambda arrays: arrays.update(y_train=arrays["y_train"] * 1.0), ["float64", "one integer"]),
        (lambda arrays: arrays.update(x_train=arrays["x_train"][:0], y_train=arrays["y_train"][:0]), ["no images"]),
        (lambda arrays: arrays.update(y_train=arrays["y_train"] - 1), ["from -1 to 8", "0 to 9"]),
        (lambda arrays: arrays.pop("y_train"), ["'y_train'", "x_train, y_train, x_test and y_test"]),
        (lambda arrays: arrays.update(label_names=np.array(["cat", "dog"])), ["2 label_names", "10 classes"]),
        (lambda arrays: arrays.update(y_train=np.array([{}] * 40)), ["damaged or of another format"]),
    ],
)
def test_npz_with_wrong_arrays(change, words, writers, parts, tmp_path):
    writers["npz"](tmp_path, "cifar10", parts("cifar10"))
    with np.load(tmp_path / "cifar10.npz") as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(tmp_path / "cifar10.npz", **arrays)
    message = refusal(read_npz, tmp_path)
    assert all(word in message for word in [str(tmp_path / "cifar10.npz"), *words]), message


def test_npz_may_have_a_column_of_labels_and_their_names(parts, tmp_path):
    images, labels = parts("cifar10")["train"]
    names = np.array([f"class {label}" for label in range(10)])
    np.savez(tmp_path / "cifar10.npz", x_train=images, y_train=labels[:, np.newaxis], label_names=names)
    np.testing.assert_array_equal(read_npz(tmp_path)[1], labels)


def test_npz_with_a_flipped_bit(writers, parts, tmp_path):
    writers["npz"](tmp_path, "cifar10", parts("cifar10"))
    path = tmp_path / "cifar10.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(read_npz, tmp_path)


def test_npy_in_place_of_npz(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    (tmp_path / "cifar10.npz").write_bytes(stream.getvalue())
    assert "cifar10.npz is damaged or of another format" in refusal(read_npz, tmp_path)


def test_zip_without_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "cifar10.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    assert "'x_train'" in refusal(read_npz, tmp_path)


def test_cifar100_has_two_labels_of_which_the_fine_one_counts(writers, parts, tmp_path):
    expected = parts("cifar100")
    for layout in ("binary", "python"):
        writers[layout](tmp_path, "cifar100", expected)
    binary = formats.read_cifar_binary(tmp_path / "cifar-100-binary", ["train.bin"], label_bytes=2, num_classes=100)
    folder = tmp_path / "cifar-100-python"
    python = formats.read_cifar_python(folder, ["train"], label_key="fine_labels", num_classes=100)
    for images, labels in (binary, python):
        np.testing.assert_array_equal(images, expected["train"][0])
        np.testing.assert_array_equal(labels, expected["train"][1])


def test_binary_of_the_other_data_set_is_refused(writers, parts, tmp_path):
    writers["binary"](tmp_path, "cifar100", parts("cifar100"))
    message = refusal(
        formats.read_cifar_binary, tmp_path / "cifar-100-binary", ["train.bin"], label_bytes=1, num_classes=10
    )
    assert "train.bin has 122960 bytes" in message and "3073" in message


def write_record(folder, record, protocol=2):
    for name in BATCHES["train"]:
        (folder / name).write_bytes(pickle.dumps(record, protocol=protocol))


@pytest.fixture
def batches(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("bytes_keys", [False, True])
def test_python_archives_pickled_again_by_python_3(protocol, bytes_keys, batches, tmp_path):
    data = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    record = {"data": data, "labels": [3, 4]}
    write_record(batches, {key.encode(): value for key, value in record.items()} if bytes_keys else record, protocol)
    images, labels = read_python(tmp_path)
    np.testing.assert_array_equal(images[:2, 1, 2, 0], data[:, 32 + 2])
    np.testing.assert_array_equal(labels, [3, 4] * 5)


@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_python_archives_of_old_and_new_numpy(module, batches, tmp_path):
    record = {"data": np.zeros((2, 3072), np.uint8), "labels": [3, 4]}
    content = re.sub(rb"numpy\._?core", module, pickle.dumps(record, protocol=2))
    for name in BATCHES["train"]:
        (batches / name).write_bytes(content)
    assert read_python(tmp_path)[1].tolist() == [3, 4] * 5


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1, 2], ["holds a list", "dict"]),
        ({"labels": [1]}, ["'data'"]),
        ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [1, 2]}, ["'labels'"]),
        ({"data": np.zeros((2, 3072)), "labels": [1, 2]}, ["float64", "uint8"]),
        ({"data": np.zeros((4, 768), np.uint8), "labels": [1]}, ["[4, 768]", "[n, 3072]"]),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, ["2 images", "[1]"]),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [[1], [2, 3]]}, ["damaged or of another format"]),
        ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, ["data_batch_1"]),
    ],
)
def test_python_batch_with_wrong_content(record, words, batches, tmp_path):
    write_record(batches, record)
    message = refusal(read_python, tmp_path)
    assert all(word in message for word in [str(batches / "data_batch_1"), *words]), message


class Evil:
    """Makes a folder when it is unpickled by a reader that runs code."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("place", ["alone", "in a batch", "in an array"])
def test_pickle_with_code_is_refused_and_not_run(protocol, place, batches, tmp_path):
    evil = Evil(os.mkdir, str(tmp_path / "pwned"))
    record = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2], "more": evil}
    if place == "in an array":
        record["more"] = np.array([evil, None])
    write_record(batches, evil if place == "alone" else record, protocol)
    message = refusal(read_python, tmp_path)
    assert str(batches / "data_batch_1") in message and "mkdir" in message
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "exec"])
def test_builtins_are_refused(name, batches, tmp_path):
    for file in BATCHES["train"]:
        (batches / file).write_bytes(b"c__builtin__\n" + name.encode() + b"\n(S'1'\ntR.")
    assert name in refusal(read_python, tmp_path)


def test_codecs_that_unpack_are_refused(batches, tmp_path):
    for file in BATCHES["train"]:
        (batches / file).write_bytes(b"c_codecs\nencode\n(S'aaaa'\nS'zip'\ntR.")
    assert "'zip'" in refusal(read_python, tmp_path)


def test_svhn_calls_the_digit_0_ten(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (32, 32, 3, 3), dtype=np.uint8)
    scipy.io.savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[10], [1], [9]], np.uint8)})
    read, labels = read_mat(tmp_path)
    assert labels.tolist() == [0, 1, 9]
    np.testing.assert_array_equal(read[2, 5, 6], images[5, 6, :, 2])


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, ["no y", "[32, 32, 3, n]"]),
        ({"X": np.zeros((32, 32, 3), np.uint8), "y": [[1]]}, ["X of four dimensions"]),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[0], [1]]}, ["from 0 to 1", "1 to 10"]),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1.5], [1.0]]}, ["1.5", "1 to 10"]),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[np.nan], [1.0]]}, ["1 to 10"]),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1]]}, ["2 images", "[1]"]),
        ({"X": np.zeros((28, 28, 3, 2), np.uint8), "y": [[1], [2]]}, ["[2, 28, 28, 3]"]),
        ({"X": np.zeros((32, 32, 3, 2)), "y": [[1], [2]]}, ["float64", "uint8"]),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8), "y": np.zeros((0, 1), np.uint8)}, ["train_32x32.mat"]),
    ],
)
def test_mat_with_wrong_content(record, words, tmp_path):
    scipy.io.savemat(tmp_path / "train_32x32.mat", record)
    message = refusal(read_mat, tmp_path)
    assert all(word in message for word in [str(tmp_path / "train_32x32.mat"), *words]), message


def test_reason_is_one_short_line():
    assert formats.reason(ValueError("first\n  half. Second.")) == "ValueError: first half"
    assert formats.reason(EOFError()) == "EOFError"
    assert len(formats.reason(ValueError("x" * 1000))) < 320
    assert formats.reason(ValueError("{{node a/b}} bad id [Op:C]")) == "ValueError: bad id"
