"""Whole mixed edges of a cell are dropped."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.layers.mixed import DropEdges
from sdarts_tf.spaces.darts import SearchCell
from sdarts_tf.spaces.tables import TABLES

SEED = tf.constant([1, 2])


@pytest.mark.parametrize("space", ["s1", "s5"])
def test_a_cell_with_dropped_edges_is_that_of_a_mixture_without_them(space):
    """For one image: its dropped edges have no share, the others' grow. The identity is dropped too."""
    cell = SearchCell(TABLES[space]["normal"], (3, 4), 2, reduction=False, previous_reduction=False)
    older, newer = (tf.random.stateless_normal([1, 4, 4, n], (n, 0)) for n in (3, 4))
    inputs = [(x, tf.nn.relu(x)) for x in (older, newer)]
    drop = DropEdges(14, 1, tf.constant(0.4), SEED)
    kept = drop(tf.ones([1, 1, 1, 14]), tuple(range(14))).numpy().ravel()
    assert set(kept.round(5)) == {0.0, np.float32(1 / 0.6).round(5)}
    shares = tf.nn.softmax(tf.random.stateless_normal([14, len(TABLES[space]["normal"][0])], (5, 5)))
    dropped = cell(*inputs, shares, drop_path=drop, training=True)
    expected = cell(*inputs, shares * kept[:, np.newaxis], training=True)
    np.testing.assert_allclose(dropped, expected, rtol=1e-4, atol=1e-5)


def test_every_image_and_edge_draws_on_its_own_at_the_given_rate():
    factors = DropEdges(14, 4000, tf.constant(0.3), SEED)(tf.ones([4000, 1, 1, 14]), tuple(range(14))).numpy()[:, 0, 0]
    np.testing.assert_allclose((factors == 0).mean(axis=0), 0.3, atol=0.03)
    np.testing.assert_allclose(factors.mean(), 1, atol=0.01)
    assert np.abs(np.corrcoef(factors.T) - np.eye(14)).max() < 0.08
    same = DropEdges(14, 4000, tf.constant(0.3), SEED)(tf.ones([4000, 1, 1, 2]), (3, 3)).numpy()[:, 0, 0]
    np.testing.assert_array_equal(same, factors[:, [3, 3]])
