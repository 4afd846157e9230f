"""The cells that the official code reads off given alphas."""

import json

import numpy as np
import pytest

from sdarts_tf import spaces
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.spaces.discretize import darts_cell
from sdarts_tf.spaces.tables import TABLES

PATTERN = "discretize*.npz"


def test_darts_cells(golden):
    with np.load(golden, allow_pickle=False) as archive:
        names = [space for space in TABLES if f"{space}/genotype" in archive]
        if not names:
            pytest.skip(f"{golden} has no draws of {', '.join(TABLES)}.")
        for space in names:
            genotypes = [json.loads(text) for text in archive[f"{space}/genotype"].tolist()]
            for kind, candidates in TABLES[space].items():
                alphas = archive[f"{space}/alpha/{kind}"].astype(np.float64)
                assert len(alphas) == len(genotypes) > 0
                for draw, (alpha, genotype) in enumerate(zip(alphas, genotypes, strict=True)):
                    cell = darts_cell(_softmax(alpha), candidates)
                    official = [tuple(pair) for pair in genotype[kind]]
                    assert [(edge.operation, edge.source) for edge in cell] == official, (space, kind, draw)
                    assert [edge.target for edge in cell] == [2, 2, 3, 3, 4, 4, 5, 5]
                    assert genotype[f"{kind}_concat"] == [2, 3, 4, 5]


def test_nasbench201_cells(golden):
    with np.load(golden, allow_pickle=False) as archive:
        if "nasbench201/genotype" not in archive:
            pytest.skip(f"{golden} has no draws of nasbench201.")
        official = archive["nasbench201/genotype"].tolist()
        alphas = archive["nasbench201/alpha/cell"].astype(np.float64)
        assert len(alphas) == len(official) > 0
        for alpha, name in zip(alphas, official, strict=True):
            genotype = spaces.get("nasbench201").discretize({"cell": _softmax(alpha)})
            assert nasbench201_cells.architecture(genotype) == name
            assert nasbench201_cells.parse(name) == genotype


def test_official_ranking_with_other_lists_cannot_matter_here(golden):
    """The official code ranks the edges of a node with the lists of rows 0, 1, ...; where is `none` in them?

    If `none` has one place in all lists of a table, or is in none of them, that gives the ranking of `darts_cell`.
    This holds for all spaces with goldens, hence no golden has to be excused. tests/spaces/discretize_test.py has a
    table for which the two differ.
    """
    with np.load(golden, allow_pickle=False) as archive:
        for space, kinds in TABLES.items():
            if f"{space}/genotype" in archive:
                for lists in kinds.values():
                    assert len({names.index("none") if "none" in names else None for names in lists}) == 1


def _softmax(alpha):
    powers = np.exp(alpha - alpha.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
