import json
import re

import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype

CELL = (Edge("sep_conv_3x3", 1, 2), Edge("skip_connect", 0, 2), Edge("skip_connect", 2, 3))
GENOTYPE = Genotype("s2", {"normal": CELL, "reduce": CELL[:1]}, {"normal": (2, 3), "reduce": (2,)})


def test_json_is_plain():
    assert json.loads(GENOTYPE.to_json()) == {
        "space": "s2",
        "cells": {
            "normal": [["sep_conv_3x3", 1, 2], ["skip_connect", 0, 2], ["skip_connect", 2, 3]],
            "reduce": [["sep_conv_3x3", 1, 2]],
        },
        "outputs": {"normal": [2, 3], "reduce": [2]},
    }


def test_round_trips():
    assert Genotype.from_json(GENOTYPE.to_json()) == GENOTYPE
    assert Genotype.from_dict(GENOTYPE.to_dict()) == GENOTYPE
    assert Genotype.from_json(GENOTYPE.to_json()).to_json() == GENOTYPE.to_json()


def test_json_is_one_line():
    assert "\n" not in GENOTYPE.to_json()


def test_load(tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text(GENOTYPE.to_json(), encoding="utf-8")
    assert Genotype.load(path) == GENOTYPE
    assert Genotype.load(str(path)) == GENOTYPE


def test_count():
    assert GENOTYPE.count("skip_connect") == 2
    assert GENOTYPE.count("sep_conv_3x3") == 2
    assert GENOTYPE.count("sep_conv_3x3", "reduce") == 1
    assert GENOTYPE.count("skip_connect", cell="reduce") == 0


@pytest.mark.parametrize(("source", "target"), [(2, 2), (3, 2), (-1, 2)])
def test_an_edge_leads_to_a_later_node(source, target):
    with pytest.raises(InputError, match=f"Edge 'noise' goes from node {source} to node {target}"):
        Edge("noise", source, target)


def test_a_backward_edge_in_a_file_keeps_its_own_message():
    text = '{"space": "s2", "cells": {"normal": [["skip_connect", 3, 2]]}, "outputs": {"normal": [2]}}'
    with pytest.raises(InputError, match=r"^Edge 'skip_connect' goes from node 3 to node 2"):
        Genotype.from_json(text)


@pytest.mark.parametrize("key", ["space", "cells", "outputs"])
def test_a_missing_key_is_named(key):
    record = GENOTYPE.to_dict()
    del record[key]
    with pytest.raises(InputError, match=f"This is not a genotype .KeyError: '{key}'.; it must be a JSON object"):
        Genotype.from_dict(record)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "3",
        "null",
        '"s2"',
        '{"space": "s2", "cells": [], "outputs": {}}',
        '{"space": "s2", "cells": {"normal": [["skip_connect", 0]]}, "outputs": {"normal": [2]}}',
        '{"space": "s2", "cells": {"normal": [["skip_connect", "a", 2]]}, "outputs": {"normal": [2]}}',
        '{"space": "s2", "cells": {"normal": 5}, "outputs": {"normal": [2]}}',
        '{"space": "s2", "cells": {}, "outputs": {"normal": 2}}',
    ],
)
def test_other_json_is_not_a_genotype(text):
    with pytest.raises(InputError, match="This is not a genotype"):
        Genotype.from_json(text)


def test_malformed_json():
    with pytest.raises(InputError, match=r"This genotype is not JSON \(.*line 1.*\); give the genotype.json"):
        Genotype.from_json("{'space'")


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "missing.json"
    with pytest.raises(InputError, match=re.escape(f"Cannot read the genotype {str(path)!r}")):
        Genotype.load(path)


def test_a_binary_file_is_named(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=re.escape(f"Cannot read the genotype {str(path)!r}")):
        Genotype.load(path)


def test_a_malformed_file_is_named(tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f"{path}: This genotype is not JSON")):
        Genotype.load(path)
