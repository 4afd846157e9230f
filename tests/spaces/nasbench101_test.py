"""Modules of NAS-Bench-101 and their networks."""

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces import nasbench1shot1_cells
from sdarts_tf.spaces.nasbench101 import CONV1X1, CONV3X3, INPUT, MAXPOOL3X3, OUTPUT, Module
from sdarts_tf.spaces.nasbench101_network import ModuleCell, Network


def _module(edges, *operations):
    size = len(operations) + 2
    matrix = tuple(tuple(int((u, v) in edges) for v in range(size)) for u in range(size))
    return Module(matrix, (INPUT, *operations, OUTPUT))


DIAMOND = _module({(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (1, 4)}, CONV3X3, MAXPOOL3X3, CONV1X1)


def test_the_hash_does_not_depend_on_the_order_of_vertices_or_on_what_is_pruned():
    swapped = _module({(0, 2), (0, 1), (2, 3), (1, 3), (0, 3), (3, 4), (2, 4)}, MAXPOOL3X3, CONV3X3, CONV1X1)
    loose = _module(
        {(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 6), (1, 6), (1, 4), (5, 6)},
        *(CONV3X3, MAXPOOL3X3, CONV1X1, CONV3X3, CONV3X3),
    )
    assert loose.pruned() == DIAMOND != swapped
    assert DIAMOND.hash() == swapped.hash() == loose.hash()


def test_the_hash_depends_on_operations_and_edges():
    others = [
        _module({(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (1, 4)}, CONV1X1, MAXPOOL3X3, CONV3X3),
        _module({(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (2, 4)}, CONV3X3, MAXPOOL3X3, CONV1X1),
        _module({(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (1, 4)}, CONV3X3, MAXPOOL3X3, CONV1X1),
    ]
    assert len({module.hash() for module in [DIAMOND, *others]}) == 4


# From the benchmark's table: modules, their names, and the trainable parameters of their networks.
IN_THE_TABLE = [
    ({(0, 1), (0, 2), (1, 2)}, (CONV1X1,), "09fc2d10bdd6225e167a6f81a22a3f06", 2_793_866),
    (
        {(0, 1), (0, 2), (0, 3), (1, 2), (1, 4), (2, 3), (3, 4)},
        (MAXPOOL3X3, CONV3X3, CONV3X3),
        "09fe44f72b3f1237bd72ac74c427aef9",
        5_969_674,
    ),
    (  # three vertices share 128 channels
        {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4)},
        (CONV3X3, CONV1X1, CONV1X1),
        "084e7b12236e3e7532245561f455c1cb",
        2_155_680,
    ),
]


@pytest.mark.parametrize(("edges", "operations", "name", "parameters"), IN_THE_TABLE)
def test_names_and_parameters_are_the_benchmarks(edges, operations, name, parameters):
    module = _module(edges, *operations)
    assert module.hash() == name
    network = Network(module, num_classes=10, channels=128, cells=9)
    assert sum(variable.value.shape.num_elements() for variable in network.trainable_variables) == parameters


@pytest.mark.parametrize(
    ("matrix", "operations"),
    [
        (((0, 1), (1, 0)), (INPUT, OUTPUT)),
        (((0, 1, 1), (0, 0, 1)), (INPUT, CONV3X3, OUTPUT)),
        (((0, 2), (0, 0)), (INPUT, OUTPUT)),
        (((0, 1, 0), (0, 0, 1), (0, 0, 0)), (INPUT, "sep_conv_3x3", OUTPUT)),
        (((0, 1), (0, 0)), (INPUT, CONV3X3)),
    ],
)
def test_what_is_no_module(matrix, operations):
    with pytest.raises(InputError, match="is no module of NAS-Bench-101"):
        Module(matrix, operations)


def test_a_module_without_a_way():
    with pytest.raises(InputError, match="no way leads from the input to the output"):
        _module({(0, 1), (2, 3)}, CONV3X3, CONV3X3).pruned()


def test_channels_of_vertices():
    """Two vertices share seven channels; a vertex that only they read has the wider one's."""
    module = _module({(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (0, 4)}, CONV3X3, CONV3X3, CONV3X3)
    assert module.vertex_channels(7)[1:] == [4, 4, 3, 7]
    assert module.vertex_channels(8)[1:] == [4, 4, 4, 8]
    with pytest.raises(InputError, match="1 channels cannot be shared by 2 vertices"):
        module.vertex_channels(1)


def test_a_cell_of_the_derived_network():
    """Vertex 1 pools, 2 reads the first of its channels and the input; both are joined, the input is added."""
    module = _module({(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (0, 3)}, MAXPOOL3X3, CONV1X1)
    cell = ModuleCell(module, 2, 3)
    assert cell.widths[1:] == [2, 1, 3]
    x = tf.random.stateless_normal([2, 5, 5, 2], (0, 1))

    def convolved(layer, x):
        y = tf.einsum("nhwi,io->nhwo", x, layer.kernel[0, 0])
        return tf.nn.relu(y / np.sqrt(1 + layer.normalization.epsilon))

    pooled = tf.nn.max_pool2d(convolved(cell.projections["1"], x), 3, 1, "SAME")
    second = convolved(cell.operations["2"], pooled[..., :1] + convolved(cell.projections["2"], x))
    expected = tf.concat([pooled, second], axis=-1) + convolved(cell.projections["3"], x)
    np.testing.assert_allclose(cell(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "count"), [("nasbench1shot1_1", 2685), ("nasbench1shot1_2", 7773), ("nasbench1shot1_3", 55_854)]
)
def test_all_architectures_of_a_space(name, count):
    """Their number is that of the different names of all cells, made one by one; drawn cells are among them."""
    names, space, random = nasbench1shot1_cells.architectures(name), spaces.get(name), np.random.RandomState(0)
    assert len(names) == count
    for _ in range(50):
        genotype = space.discretize({g: random.rand(*shape) for g, shape in space.alpha_shapes().items()})
        assert nasbench1shot1_cells.architecture(genotype) in names


def test_order_of_blocks_decides():
    """In space 2 two blocks read one node and the later two read two: one after a block that reads two is not there."""
    chain = {(0, 1), (1, 2), (0, 2), (2, 3)}
    early = _module({*chain, (0, 4), (1, 4), (3, 4)}, CONV3X3, CONV3X3, CONV3X3)  # reads 1, 2, 1; the output 3
    late = _module({(0, 1), (1, 2), (2, 3), (0, 3), (0, 4), (1, 4), (3, 4)}, CONV3X3, CONV3X3, CONV3X3)  # 1, 1, 2
    assert early.hash() not in nasbench1shot1_cells.architectures("nasbench1shot1_2")
    assert late.hash() in nasbench1shot1_cells.architectures("nasbench1shot1_2")
    assert late.hash() not in nasbench1shot1_cells.architectures("nasbench1shot1_1")  # whose output reads two


@pytest.mark.parametrize(
    ("edges", "outputs"),
    [
        ([("maxpool3x3", 0, 1)], (0,)),  # one output of three
        ([("maxpool3x3", 0, 1), ("conv3x3-bn-relu", 0, 3)], (0, 1, 3)),  # one input of two
        ([("maxpool3x3", 0, 1), ("skip_connect", 0, 2)], (0, 1, 2)),
        ([("maxpool3x3", 0, 1), ("maxpool3x3", 0, 2), ("maxpool3x3", 1, 2)], (0, 1, 2)),  # two inputs of one
        ([("maxpool3x3", 0, 1), ("maxpool3x3", 1, 2)], (0, 1, 3)),  # block 3 is missing
        (
            [("maxpool3x3", 0, 1), ("maxpool3x3", 0, 2), ("maxpool3x3", 0, 3), ("conv3x3-bn-relu", 1, 3)],
            (1, 2, 3),  # two operations in one block
        ),
    ],
)
def test_what_is_no_cell_of_space_2(edges, outputs):
    genotype = Genotype("nasbench1shot1_2", {"cell": tuple(Edge(*edge) for edge in edges)}, {"cell": outputs})
    with pytest.raises(InputError, match="is no cell of NAS-Bench-1Shot1"):
        nasbench1shot1_cells.architecture(genotype)
