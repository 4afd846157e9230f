"""Streams are functions of the step number; a pass and a sweep see what they must."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.sources import Examples
from sdarts_tf.data.streams import Stream, pairs, split, sweep
from sdarts_tf.errors import InputError

PLAIN = Augmentation(mean=(0.0,) * 3, std=(1.0,) * 3)
RANDOM = Augmentation(mean=(0.5,) * 3, std=(0.25,) * 3, crop_padding=2, flip=True, cutout_length=4)


def numbered(count):
    """Examples whose label is their number, which the image repeats."""
    numbers = np.arange(count)
    images = np.stack([numbers // 256, numbers % 256, numbers * 0], -1).astype(np.uint8)
    return Examples(np.tile(images[:, np.newaxis, np.newaxis], (1, 6, 8, 1)), numbers.astype(np.int32))


def stream(count=50, batch_size=8, augmentation=PLAIN, seed=0, purpose="weights"):
    return Stream(numbered(count), batch_size, augmentation, seed=seed, purpose=purpose)


def order(batches):
    return np.concatenate([labels.numpy() for _, labels in batches])


def test_split_is_in_file_order_and_rounds_down():
    first, rest = split(numbered(73), 0.5)
    assert first.labels.tolist() == list(range(36)) and rest.labels.tolist() == list(range(36, 73))
    first, rest = split(numbered(10), 0.25)
    assert (len(first), len(rest)) == (2, 8)
    assert np.shares_memory(rest.images, rest.part(0, 1).images)


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_split_with_an_empty_part(share):
    with pytest.raises(InputError, match=f"--train_share={share} of 10 images"):
        split(numbered(10), share)


@pytest.mark.parametrize("batch_size", [51, 0])
def test_batch_size_must_fit(batch_size):
    with pytest.raises(InputError, match=f"--batch_size={batch_size} .* 50 images for weights"):
        stream(batch_size=batch_size)


def test_images_stay_with_their_labels():
    for images, labels in stream(300).batches(0, 40):
        pixels = np.rint(images.numpy() * 255)
        assert (pixels[..., 0] * 256 + pixels[..., 1] == labels.numpy()[:, np.newaxis, np.newaxis]).all()


@pytest.mark.parametrize(("count", "batch_size"), [(48, 8), (50, 8), (50, 50), (1, 1), (33, 16)])
def test_a_pass_sees_no_example_twice_and_drops_only_the_partial_batch(count, batch_size):
    batches = stream(count, batch_size)
    steps = batches.steps_per_pass
    assert steps == count // batch_size
    for index in range(3):
        seen = order(batches.batches(index * steps, (index + 1) * steps))
        assert len(seen) == len(set(seen)) == steps * batch_size
        assert seen.min() >= 0 and seen.max() < count


def test_what_a_pass_drops_changes():
    batches = stream(50, 8)
    passes = order(batches.batches(0, 6 * 300)).reshape(300, 48)
    dropped = [set(range(50)) - set(one) for one in passes]
    assert set.union(*dropped) == set(range(50))


def test_passes_are_shuffled_apart():
    """Orders of consecutive passes are unrelated: rank correlations of 25,000 examples stay below five deviations."""
    passes = order(stream(25000, 500).batches(0, 50 * 6)).reshape(6, 25000)
    for first, second in zip(passes, [*passes[1:], np.arange(25000)], strict=True):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(25000)


def test_orders_of_small_sets_are_uniform():
    """All 24 orders of four examples, equally often: chi-squared of 2,400 passes below its 99.99 % quantile, 58.6."""
    passes = order(stream(4, 4, seed=1).batches(0, 2400)).reshape(-1, 4)
    _, counts = np.unique(passes, axis=0, return_counts=True)
    assert len(counts) == 24 and ((counts - 100) ** 2 / 100).sum() < 58.6


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 6), (6, 7), (7, 25), (12, 18)])
def test_random_access_equals_sequential(start, stop):
    sequential = list(stream(augmentation=RANDOM).batches(0, 25))[start:stop]
    access = list(stream(augmentation=RANDOM).batches(start, stop))
    assert len(access) == stop - start
    for (images, labels), (expected_images, expected_labels) in zip(access, sequential, strict=True):
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)


def test_purposes_and_seeds_differ():
    orders = [
        order(stream(purpose=purpose, seed=seed).batches(0, 6)) for purpose in ("weights", "alpha") for seed in (0, 1)
    ]
    assert len({tuple(one) for one in orders}) == 4


def test_every_step_augments_anew():
    same = Examples(np.random.RandomState(0).randint(0, 256, (1, 6, 8, 3), dtype=np.uint8), np.zeros(1, np.int32))
    batches = Stream(same, 1, RANDOM, seed=0, purpose="weights").batches(0, 30)
    assert len({images.numpy().tobytes() for images, _ in batches}) > 20


def test_steps_beyond_32_bits():
    step = 2**33
    (late, _), (later, _) = stream(augmentation=RANDOM).batches(step, step + 2)
    (early, _), _ = stream(augmentation=RANDOM).batches(0, 2)
    assert not np.array_equal(late, early) and not np.array_equal(late, later)


def test_shapes_are_static():
    images, labels = stream().batches(0, 5).element_spec
    assert images == tf.TensorSpec([8, 6, 8, 3], tf.float32) and labels == tf.TensorSpec([8], tf.int32)
    images, labels, counts = sweep(numbered(10), 4, RANDOM, seed=(0, 0)).element_spec
    assert images == tf.TensorSpec([4, 6, 8, 3], tf.float32) and labels == tf.TensorSpec([4], tf.int32)
    assert counts == tf.TensorSpec([4], tf.float32)


def test_pairs_are_the_batches_of_both_streams():
    train, valid = stream(50, 8, RANDOM), stream(20, 8, RANDOM, purpose="alpha")
    both = list(pairs(train, valid, 3, 9))
    assert len(both) == 6
    expected = zip(train.batches(3, 9), valid.batches(3, 9), strict=True)
    for pair, expected_pair in zip(both, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, pair, expected_pair)


@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (8, 4), (3, 8), (1, 1)])
def test_sweep_counts_every_example_once(count, batch_size):
    batches = list(sweep(numbered(count), batch_size, PLAIN, seed=(0, 0)))
    labels, counts = (np.concatenate([batch[place] for batch in batches]) for place in (1, 2))
    assert counts.sum() == count and set(counts) <= {0.0, 1.0}
    assert labels[counts == 1].tolist() == list(range(count))
    assert all(batch[0].shape[0] == batch_size for batch in batches)


def test_sweep_augments_by_seed_and_batch():
    same = Examples(np.repeat(numbered(300).images[299:], 8, axis=0), np.zeros(8, np.int32))
    sweeps = [
        [images.numpy() for images, _, _ in sweep(same, 4, RANDOM, seed=seed)] for seed in [(0, 1), (0, 1), (0, 2)]
    ]
    np.testing.assert_array_equal(sweeps[0], sweeps[1])
    assert not np.array_equal(sweeps[0], sweeps[2])
    assert not np.array_equal(sweeps[0][0], sweeps[0][1])


def test_sweep_of_a_stream_is_the_sweep_of_its_examples():
    expected = list(sweep(numbered(50), 8, RANDOM, seed=(4, 5)))
    for batch, expected_batch in zip(stream(augmentation=RANDOM).sweep((4, 5)), expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected_batch)


def test_deterministic_kernels_change_nothing():
    from tensorflow.python.framework import config  # TensorFlow has no public way back

    expected = list(stream(augmentation=RANDOM).batches(0, 20))
    tf.config.experimental.enable_op_determinism()
    try:
        for batch, expected_batch in zip(stream(augmentation=RANDOM).batches(0, 20), expected, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, batch, expected_batch)
    finally:
        config.disable_op_determinism()


def test_images_are_not_copied_into_the_graph():
    batches = stream(5000)
    signature = [tf.TensorSpec([], tf.int64), tf.TensorSpec([8], tf.int32), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(batches._reader.batch, input_signature=signature).get_concrete_function().graph
    assert graph.as_graph_def().ByteSize() < 5000 * 6 * 8 * 3 / 4
