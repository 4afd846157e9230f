"""The published cells, one by one, against their record."""

import json
import math

import pytest

from sdarts_tf import spaces
from sdarts_tf.genotypes import published
from sdarts_tf.spaces.discretize import edge_rows
from sdarts_tf.spaces.tables import TABLES

PATTERN = "published*.json"


def test_image_cells(golden):
    record = json.loads(golden.read_text(encoding="utf-8"))
    for name, cells in {**record["cnn"], **record["cnn_earlier"]}.items():
        genotype = published.get(name)
        assert list(genotype.cells) == ["normal", "reduce"]
        for kind, edges in genotype.cells.items():
            assert [[edge.operation, edge.source] for edge in edges] == cells[kind], (name, kind)
            assert [edge.target for edge in edges] == [2 + index // 2 for index in range(len(edges))]
            assert list(genotype.outputs[kind]) == cells[f"{kind}_concat"]


def test_recurrent_cells(golden):
    record = json.loads(golden.read_text(encoding="utf-8"))
    for name, cell in record["rnn"].items():
        genotype = published.get(f"rnn_{name}" if name.startswith("DARTS") else name)
        assert (genotype.space, list(genotype.cells)) == ("recurrent", ["recurrent"])
        edges = genotype.cells["recurrent"]
        assert [[edge.operation, edge.source] for edge in edges] == cell["recurrent"], name
        assert [edge.target for edge in edges] == list(range(1, 1 + len(edges)))
        assert list(genotype.outputs["recurrent"]) == cell["concat"]


def test_no_cell_is_missing_and_none_is_invented(golden):
    record = json.loads(golden.read_text(encoding="utf-8"))
    recurrent = [f"rnn_{name}" if name.startswith("DARTS") else name for name in record["rnn"]]
    assert sorted(published.NAMES) == sorted([*record["cnn"], *record["cnn_earlier"], *recurrent])


def test_every_image_cell_lies_in_the_space_that_its_name_tells(golden):
    record = json.loads(golden.read_text(encoding="utf-8"))
    rows = edge_rows(2, 4)
    for name in (*record["cnn"], *record["cnn_earlier"]):
        genotype = published.get(name)
        for kind, edges in genotype.cells.items():
            for edge in edges:
                row = rows.index((edge.source, edge.target))
                assert edge.operation in TABLES[genotype.space][kind][row], (name, kind, edge)


def _count(genotype, form, classes):
    """Parameters of the network of a form such as `cifar_c36_l20` or `imagenet_c48_l14_1000_classes`."""
    family, channels, cells, *rest = form.split("_")
    network = spaces.get("darts").build_network(
        genotype,
        int(rest[0]) if rest else classes,
        int(channels[1:]),
        int(cells[1:]),
        auxiliary=True,
        large_images=family == "imagenet",
    )

    def total(layer):
        return sum(math.prod(variable.shape) for variable in layer.trainable_variables)

    return {"with_auxiliary": total(network), "without_auxiliary": total(network) - total(network.auxiliary_head)}


def _check_counts(golden, forms):
    record = json.loads(golden.read_text(encoding="utf-8"))
    for name, cells in {**record["cnn"], **record["cnn_earlier"]}.items():
        for form, parameters in cells["parameters"].items():
            if forms(form):
                assert _count(published.get(name), form, cells["classes"]) == parameters, (name, form)


@pytest.mark.slow
def test_number_of_parameters_of_small_networks(golden):
    _check_counts(golden, lambda form: form == "cifar_c16_l8")


@pytest.mark.slow
def test_number_of_parameters_at_full_size(golden):
    _check_counts(golden, lambda form: form != "cifar_c16_l8")
