"""Augmentation against NumPy, image by image."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.data.augment import Augmentation, cutout, normalize, random_crop, random_flip

MEAN, STD = (0.5, 0.25, 0.125), (0.25, 0.5, 0.125)


def random_images(count, height=10, width=8):
    return np.random.RandomState(0).randint(1, 256, (count, height, width, 3), dtype=np.uint8)


def offset_of(cropped, image, padding):
    """The (row, column) at which a crop of the image, zeros around it, was taken."""
    padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)])
    height, width = image.shape[:2]
    matches = [
        (row, column)
        for row in range(2 * padding + 1)
        for column in range(2 * padding + 1)
        if np.array_equal(padded[row : row + height, column : column + width], cropped)
    ]
    assert len(matches) == 1
    return matches[0]


def test_normalize_closed_form():
    images = random_images(3)
    expected = (images.astype(np.float64) / 255 - np.array(MEAN)) / np.array(STD)
    normalized = normalize(tf.constant(images), MEAN, STD)
    assert normalized.dtype == tf.float32
    np.testing.assert_allclose(normalized, expected, atol=1e-6)
    np.testing.assert_allclose(normalize(images[0], np.array(MEAN), np.array(STD)), expected[0], atol=1e-6)


def test_every_image_has_its_own_crop():
    images, padding = random_images(200), 2
    cropped = random_crop(tf.constant(images), padding, seed=(1, 2)).numpy()
    offsets = [offset_of(*pair, padding) for pair in zip(cropped, images, strict=True)]
    # All 25 places are used, about equally often: 200 draws, 8 expected, the limits are five deviations away.
    counts = np.bincount([row * 5 + column for row, column in offsets], minlength=25)
    assert counts.min() >= 1 and counts.max() <= 22
    # Rows and columns are drawn apart.
    assert abs(np.corrcoef(np.transpose(offsets))[0, 1]) < 0.3


def test_every_image_is_mirrored_or_not_on_its_own():
    images = random_images(400)
    flipped = random_flip(tf.constant(images), seed=(3, 4)).numpy()
    mirrored = [np.array_equal(new, old[:, ::-1]) for new, old in zip(flipped, images, strict=True)]
    kept = [np.array_equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert all(np.logical_xor(mirrored, kept))
    assert 150 < sum(mirrored) < 250


@pytest.mark.parametrize("length", [2, 5, 6, 16])
def test_cutout_blanks_a_square_that_is_cut_at_the_border(length):
    height, width, half = 10, 8, length // 2
    blank = cutout(tf.ones([2000, height, width, 3]), length, seed=(5, 6)).numpy() == 0
    assert np.array_equal(blank, np.broadcast_to(blank[..., :1], blank.shape))
    squares = {
        tuple(
            np.ix_(
                np.arange(max(row - half, 0), min(row + half, height)),
                np.arange(max(column - half, 0), min(column + half, width)),
            )[axis].size
            for axis in (0, 1)
        )
        for row in range(height)
        for column in range(width)
    }
    for image in blank[..., 0]:
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        assert (len(rows), len(columns)) in squares
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert image.sum() == len(rows) * len(columns)
    areas = blank[..., 0].sum((1, 2))
    # At least the quarter of a square that is centred on a corner.
    assert areas.max() == min(2 * half, height) * min(2 * half, width) and areas.min() == half * min(half, width)


def test_cutout_centres_are_uniform():
    blank = cutout(tf.ones([8000, 10, 8, 1]), 2, seed=(7, 8)).numpy()[..., 0] == 0
    centers = [(np.flatnonzero(image.any(1))[-1], np.flatnonzero(image.any(0))[-1]) for image in blank]
    # A square of 2 around centre c covers c - 1 and c, so its last pixel is the centre.
    counts = np.bincount([row * 8 + column for row, column in centers], minlength=80)
    assert counts.min() > 50 and counts.max() < 150


def test_order_is_crop_flip_normalize_cutout():
    images = random_images(64)
    augmentation = Augmentation(MEAN, STD, crop_padding=2, flip=True, cutout_length=4)
    augmented = augmentation(tf.constant(images), (9, 9)).numpy()
    black, found_black, found_blank = -np.array(MEAN) / np.array(STD), 0, 0
    for new, old in zip(augmented, images, strict=True):
        blank = (new == 0).all(-1)
        assert 4 <= blank.sum() <= 16
        pixels = np.rint((new * STD + MEAN) * 255)
        padded = np.pad(old, [(2, 2), (2, 2), (0, 0)])
        candidates = [
            crop[:, ::step]
            for i in range(5)
            for j in range(5)
            for crop in [padded[i : i + 10, j : j + 8]]
            for step in (1, -1)
        ]
        assert any(np.array_equal(pixels[~blank], candidate[~blank]) for candidate in candidates)
        # What the crop brings in is black before normalization, what cutout blanks is zero after it.
        found_black += int(np.isclose(new, black, atol=1e-6).all(-1).any())
        found_blank += int(blank.any())
    assert found_black > 32 and found_blank == 64


def test_same_seed_same_images_and_other_seed_other_images():
    images = tf.constant(random_images(16))
    augmentation = Augmentation(MEAN, STD, crop_padding=2, flip=True, cutout_length=4)
    first, again, other = (augmentation(images, seed).numpy() for seed in [(1, 1), (1, 1), (1, 2)])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    compiled = tf.function(lambda batch, seed: augmentation(batch, seed))
    np.testing.assert_allclose(compiled(images, tf.constant([1, 1])), first, atol=1e-6)


def test_everything_off_only_normalizes():
    images = tf.constant(random_images(4))
    np.testing.assert_array_equal(Augmentation(MEAN, STD)(images, (0, 0)), normalize(images, MEAN, STD))


@pytest.mark.parametrize("count", [None, 1, 5])
def test_static_shape_is_kept(count):
    augmentation = Augmentation(MEAN, STD, crop_padding=1, flip=True, cutout_length=2)
    signature = [tf.TensorSpec([count, 10, 8, 3], tf.uint8), tf.TensorSpec([2], tf.int64)]
    concrete = tf.function(augmentation, input_signature=signature).get_concrete_function()
    assert concrete.structured_outputs.shape.as_list() == [count, 10, 8, 3]
    assert concrete(tf.constant(random_images(count or 3)), tf.constant([0, 2**40], tf.int64)).shape[0] == (count or 3)
