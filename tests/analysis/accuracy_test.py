"""Accuracies in closed form, and the picture of the confusion matrix."""

import io

import numpy as np
import pytest
from PIL import Image

from sdarts_tf.analysis import accuracy, confusion
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.sources import Examples


def test_rows_are_true_classes_and_columns_predictions():
    labels = [0, 0, 0, 1, 2]
    logits = np.eye(4)[[0, 1, 1, 1, 3]]
    measured = accuracy.measure(labels, logits)
    assert measured.confusion == ((1, 2, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0))
    assert (measured.images, measured.top_1) == (5, 2 / 5)
    assert measured.by_class == (1 / 3, 1.0, 0.0, None)
    assert measured.top_5 is None


def test_top_5_counts_the_five_largest():
    logits = np.tile(np.arange(7.0)[::-1], (7, 1))  # class 0 is the most probable
    measured = accuracy.measure(np.arange(7), logits)
    assert (measured.top_1, measured.top_5) == (1 / 7, 5 / 7)


def test_among_equal_logits_the_first_class_counts():
    measured = accuracy.measure(np.arange(6), np.zeros((6, 6)))
    assert (measured.top_1, measured.top_5) == (1 / 6, 5 / 6)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_predictions_are_normalized_in_order_and_complete(batch_size):
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.full((5, 2, 2, 3), 51, np.uint8)
    data = DataDescription("x", (2, 2, 3), ("a", "b", "c"), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    examples = Examples(images, np.zeros(5, np.int32))
    predicted = accuracy.predict(lambda x: x[:, 0, 0], examples, data, batch_size)
    np.testing.assert_allclose(predicted, np.linspace(-1, 0.6, 5)[:, None].repeat(3, 1), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 10, 100, 1000])
def test_the_picture_has_one_size_of_names_and_is_not_huge(classes):
    names = [f"class_{i}" for i in range(classes)]
    picture = Image.open(io.BytesIO(confusion.paint(np.eye(classes, dtype=int), names, "title", "png")))
    assert 400 < picture.width < 5000 and 300 < picture.height < 5000
    assert picture.info["Title"] == "title"


def darkest_row(matrix):
    """Height of the darkest pixels in the picture of a matrix, 0 at the top."""
    image = Image.open(io.BytesIO(confusion.paint(matrix, ["a", "b"], "", "png"))).convert("L")
    pixels = np.asarray(image)[:, : int(0.75 * image.width)]  # without the color bar
    rows = np.flatnonzero((pixels < 80).sum(axis=1) > 60)
    return rows.mean() / image.height


def test_the_true_class_is_the_row():
    assert darkest_row([[4, 0], [2, 2]]) < darkest_row([[2, 2], [4, 0]])


def test_the_same_matrix_gives_the_same_bytes():
    first, second = (confusion.paint([[3, 1], [0, 4]], ("cat", "dog"), "Pets", "svg") for _ in range(2))
    assert first == second and b"Pets" in first
