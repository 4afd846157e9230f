import re

import numpy as np
import pytest

from sdarts_tf.genotypes.genotype import Edge
from sdarts_tf.spaces.discretize import darts_cell, edge_rows


def test_edge_rows_of_a_darts_cell():
    rows = edge_rows(2, 4)
    assert rows[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert [target for _, target in rows] == [2] * 2 + [3] * 3 + [4] * 4 + [5] * 5
    assert rows[9:] == ((0, 5), (1, 5), (2, 5), (3, 5), (4, 5))


def test_edge_rows_of_a_cell_with_one_input():
    assert edge_rows(1, 3) == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_keeps_the_two_strongest_edges_strongest_first():
    mixture = np.array([[0.6, 0.4], [0.5, 0.5], [0.7, 0.3], [0.1, 0.9], [0.2, 0.8]])
    cell = darts_cell(mixture, [("skip_connect", "sep_conv_3x3")] * 5, num_nodes=2)
    assert cell == (
        Edge("skip_connect", 0, 2),
        Edge("skip_connect", 1, 2),
        Edge("sep_conv_3x3", 1, 3),
        Edge("sep_conv_3x3", 2, 3),
    )


def test_ties_go_to_the_earlier_source_and_the_earlier_candidate():
    cell = darts_cell(np.full((5, 2), 0.5), [("b", "a")] * 5, num_nodes=2)
    assert cell == (Edge("b", 0, 2), Edge("b", 1, 2), Edge("b", 0, 3), Edge("b", 1, 3))


def test_none_neither_wins_nor_counts_as_strength():
    lists = [("none", "skip_connect", "sep_conv_3x3")] * 3
    mixture = [[0.98, 0.01, 0.01], [0.4, 0.35, 0.25], [0.5, 0.1, 0.4]]
    cell = darts_cell(mixture, lists, num_inputs=3, num_nodes=1)
    assert cell == (Edge("sep_conv_3x3", 2, 3), Edge("skip_connect", 1, 3))


def test_shares_are_not_renormalized_without_none():
    """Without `none` the first edge's share would be 1 and it would lead."""
    lists = [("none", "skip_connect"), ("skip_connect", "sep_conv_3x3")]
    cell = darts_cell([[0.7, 0.3], [0.6, 0.4]], lists, num_nodes=1)
    assert [edge.source for edge in cell] == [1, 0]


def test_noise_may_win():
    cell = darts_cell([[0.9, 0.1], [0.2, 0.8]], [("noise", "sep_conv_3x3")] * 2, num_nodes=1)
    assert cell[0] == Edge("noise", 0, 2)


def test_padding_does_not_count():
    lists = [("skip_connect",), ("skip_connect", "sep_conv_3x3", "max_pool_3x3")]
    mixture = [[0.3, 0.9, np.nan], [0.2, 0.5, 0.3]]
    assert darts_cell(mixture, lists, num_nodes=1) == (Edge("sep_conv_3x3", 1, 2), Edge("skip_connect", 0, 2))


def test_every_edge_is_ranked_by_its_own_list():
    """The official code reads the lists of rows 0, 1, 2 for node 3 too, whose lists differ from rows 2, 3, 4."""
    own = [("skip_connect", "sep_conv_3x3")] * 2 + [("none", "sep_conv_3x3")] * 3
    mixture = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
    official_strengths = [max(row) for row in mixture[2:]]
    assert np.argsort(official_strengths)[::-1][:2].tolist() == [0, 1]
    cell = darts_cell(mixture, own, num_nodes=2)
    assert cell[2:] == (Edge("sep_conv_3x3", 2, 3), Edge("sep_conv_3x3", 1, 3))


def test_a_node_with_fewer_edges_keeps_all():
    cell = darts_cell([[1.0], [1.0], [1.0]], [("tanh",)] * 3, num_inputs=1, num_nodes=2, edges_per_node=2)
    assert cell == (Edge("tanh", 0, 1), Edge("tanh", 0, 2), Edge("tanh", 1, 2))


@pytest.mark.parametrize(
    ("mixture", "lists", "message"),
    [
        (np.ones((2, 1)), [("none",), ("skip_connect",)], "Edge 0 -> 2 offers no operation but 'none'"),
        (np.ones((2, 1)), [("skip_connect",), ()], "Edge 1 -> 2 offers no operation but 'none'"),
        (np.ones((3, 1)), [("skip_connect",)] * 2, "A cell with 2 edges got a mixture of shape (3, 1)"),
        (np.ones(2), [("skip_connect",)] * 2, "mixture of shape (2,)"),
        (np.ones((2, 1)), [("skip_connect",)] * 3, "and 3 lists of candidates"),
        (np.ones((2, 1)), [("skip_connect", "noise")] * 2, "Edge 0 -> 2 has 2 candidates and 1 shares"),
        (np.array([[1.0], [np.nan]]), [("skip_connect",)] * 2, "Edge 1 -> 2 has shares that are not finite"),
    ],
)
def test_refuses(mixture, lists, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        darts_cell(mixture, lists, num_nodes=1)
