"""What P-DARTS keeps after each stage, and the cells that it reads off at its end."""

import json

import numpy as np

from sdarts_tf.methods.progressive import STAGES, strongest
from sdarts_tf.spaces.discretize import darts_cell
from sdarts_tf.spaces.tables import TABLES

PATTERN = "pdarts*.npz"


def _softmax(alpha):
    powers = np.exp(alpha.astype(np.float64) - alpha.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _names(flags):
    """The candidates that official flags leave on, edge by edge."""
    candidates = TABLES["darts"]["normal"][0]
    return tuple(tuple(name for name, on in zip(candidates, row, strict=True) if on) for row in flags)


def _tables(case, kind, draw):
    """The candidates of the three stages."""
    rows = TABLES["darts"][kind]
    for number, stage in enumerate(STAGES, start=1):
        yield rows
        if stage.kept is not None:
            rows = strongest(_softmax(case[f"stage{number}/alpha/{kind}"][draw]), rows, stage.kept)


def test_what_the_stages_keep(case):
    for draw in range(len(case["genotype"])):
        for kind in TABLES["darts"]:
            _, second, third = _tables(case, kind, draw)
            assert second == _names(case[f"stage1/kept/{kind}"][draw])
            assert third == _names(case[f"stage2/kept/{kind}"][draw])


def test_cells_with_ever_fewer_skip_connections(case):
    for draw, text in enumerate(case["genotype"].tolist()):
        official = [{"max_skip": None, **json.loads(text)}, *json.loads(case["restricted"][draw])]
        for cell in official:
            for kind in TABLES["darts"]:
                *_, rows = _tables(case, kind, draw)
                shares = _softmax(case[f"stage3/alpha/{kind}"][draw])
                edges = darts_cell(shares, rows, max_skips=cell["max_skip"] if kind == "normal" else None)
                # P-DARTS lists the edges of a node by their source, DARTS by their strength.
                edges = sorted(edges, key=lambda edge: (edge.target, edge.source))
                assert [[edge.operation, edge.source] for edge in edges] == cell[kind]
