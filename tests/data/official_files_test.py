"""Files exactly as the authors of the data sets made them, which no writer of today makes."""

import pathlib
import struct

import numpy as np
import pytest
import scipy.io

from sdarts_tf.data import formats, sources

SVHN = pathlib.Path(__file__).parent / "svhn_format"


def text(content):
    return b"T" + struct.pack("<i", len(content)) + content


def integer(number):
    return b"J" + struct.pack("<i", number)


def python_2_batch(planes, labels):
    """A batch of CIFAR as Python 2 and the NumPy of 2009 pickled it, opcode by opcode."""
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNN" + integer(-1) * 2 + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += (
        b"(K\x01" + integer(len(planes)) + integer(3072) + b"\x86" + dtype + b"\x89" + text(planes.tobytes()) + b"tb"
    )
    numbers = b"](" + b"".join(integer(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def test_cifar_pickled_by_python_2(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    (tmp_path / "one").write_bytes(python_2_batch(planes, [3, 0, 9]))
    images, labels = formats.read_cifar_python(tmp_path, ["one"], label_key="labels", num_classes=10)
    assert labels.tolist() == [3, 0, 9]
    for channel in range(3):
        np.testing.assert_array_equal(images[..., channel], planes[:, channel])


def test_a_binary_record_is_red_green_blue_rows_first(tmp_path):
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[0, 0, 0], planes[1, 0, 1], planes[2, 1, 0] = 1, 2, 3
    (tmp_path / "one").write_bytes(bytes([7]) + planes.tobytes())
    images, labels = formats.read_cifar_binary(tmp_path, ["one"], label_bytes=1, num_classes=10)
    assert labels.tolist() == [7] and images.sum() == 6
    assert [images[0, 0, 0].tolist(), images[0, 0, 1].tolist(), images[0, 1, 0].tolist()] == [
        [1, 0, 0],
        [0, 2, 0],
        [0, 0, 3],
    ]


@pytest.mark.parametrize(
    ("split", "counts", "total"),
    [("train", [10, 2, 2, 8, 4, 4, 6, 14, 7, 7], 24607814), ("test", [1, 3, 2, 2, 4, 2, 4, 4, 5, 5], 12567092)],
)
def test_svhn_files_of_the_real_layout(split, counts, total):
    """Every digit in these files was drawn by a program; variables, types and labels are as in the real ones."""
    examples = sources.get("svhn").load(split, str(SVHN))
    assert np.bincount(examples.labels).tolist() == counts
    assert examples.images.shape == (sum(counts), 32, 32, 3) and examples.images.sum() == total
    raw = scipy.io.loadmat(SVHN / f"{split}_32x32.mat")
    for index in (0, 3, sum(counts) - 1):  # the number of the image is the last axis of the file
        np.testing.assert_array_equal(examples.images[index], raw["X"][:, :, :, index])
        assert examples.labels[index] == raw["y"][index, 0] % 10
