"""The published cells, one by one, against their record."""

import json

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
