import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Edge, Genotype


def test_a_cell_in_full():
    genotype = published.get("c10_s5_random")
    assert genotype.space == "s5"
    assert genotype.outputs == {"normal": (2, 3, 4, 5), "reduce": (2, 3, 4, 5)}
    assert genotype.cells["normal"] == (
        Edge("sep_conv_3x3", 1, 2),
        Edge("sep_conv_3x3", 0, 2),
        Edge("sep_conv_5x5", 1, 3),
        Edge("skip_connect", 0, 3),
        Edge("sep_conv_3x3", 3, 4),
        Edge("skip_connect", 1, 4),
        Edge("sep_conv_3x3", 1, 5),
        Edge("dil_conv_3x3", 2, 5),
    )


def test_image_and_recurrent_cells_of_darts_are_told_apart():
    assert published.get("DARTS_V1").space == "darts"
    assert published.get("rnn_DARTS_V1").space == "recurrent"


def test_a_recurrent_cell_in_full():
    genotype = published.get("penn_pgd")
    activations = ("relu", "relu", "tanh", "relu", "identity", "relu", "tanh", "relu")
    edges = zip(activations, (0, 1, 2, 3, 2, 1, 2, 7), range(1, 9), strict=True)
    assert genotype.cells == {"recurrent": tuple(Edge(*edge) for edge in edges)}
    assert genotype.outputs == {"recurrent": tuple(range(1, 9))}


@pytest.mark.parametrize("name", published.NAMES)
def test_round_trip(name):
    genotype = published.get(name)
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="There is no published cell 'DARTS_V3'; choose from") as caught:
        published.get("DARTS_V3")
    assert all(name in str(caught.value) for name in published.NAMES)
