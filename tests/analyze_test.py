"""`sdarts_tf.analyze` on two small searches."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from sdarts_tf import command_line
from sdarts_tf import config as configuration
from sdarts_tf.analysis import pictures
from sdarts_tf.analyze import analyze, main
from sdarts_tf.config import AnalyzeConfig, SearchConfig
from sdarts_tf.search import search

TINY = {
    "dataset": "digits",
    "space": "s2",
    "channels": 2,
    "cells": 3,
    "epochs": 2,
    "batch_size": 32,
    "max_examples": 160,
    "hessian_every": 2,
    "hessian_batches": 2,
}
SMALL = {"batches": 2, "grid": 3, "weight_steps": 3, "weight_vectors": 1, "draws": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches")
    search(SearchConfig(method="darts", run_dir=str(folder / "kept"), keep_every=1, **TINY))
    # The same run without what it kept.
    shutil.copytree(folder / "kept", folder / "last", ignore=shutil.ignore_patterns("kept"))
    return folder / "kept", folder / "last"


@pytest.fixture(scope="module")
def analyses(runs):
    return analyze(AnalyzeConfig(run_dir=",".join(map(str, runs)), **SMALL))


def test_every_kept_epoch_and_else_the_last(runs, analyses):
    epochs = [[each["epoch"] for each in analysis["checkpoints"]] for analysis in analyses.values()]
    assert epochs == [[1, 2], [2]]
    kept, last = analyses.values()
    assert kept["checkpoints"][1] == last["checkpoints"][0] != kept["checkpoints"][0]
    for run, analysis in zip(runs, analyses.values(), strict=True):
        assert json.loads((run / "analysis" / "analysis.json").read_text()) == analysis
        assert (analysis["batches"], analysis["batch_size"], analysis["statistics"]) == (2, 32, "training")


def test_the_hessian_is_the_one_that_the_search_measured(runs, analyses):
    for run, analysis in zip(runs, analyses.values(), strict=True):
        recorded = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        hessian = analysis["checkpoints"][-1]["alpha_hessian"]
        assert hessian["spectral_norm"] == pytest.approx(recorded["hessian_norm"], rel=1e-4)
        assert hessian["spread"] == pytest.approx(recorded["hessian_spread"], rel=1e-3)
        assert hessian["largest"] == pytest.approx(recorded["hessian_largest"], rel=1e-4)
        values = hessian["eigenvalues"]
        assert len(values) == 56 and values == sorted(values)
        assert sum(values) == pytest.approx(hessian["trace"]) and values[-1] == hessian["largest"]


def test_figures_agree_where_they_meet(analyses):
    """The centres of all landscapes, the clean loss and the first step of the gap are one and the same."""
    for each in (each for analysis in analyses.values() for each in analysis["checkpoints"]):
        clean = each["sensitivity"]["clean_loss"], each["sensitivity"]["clean_accuracy"]
        gap = each["gap"]
        assert (gap["mixture"]["loss"], gap["mixture"]["accuracy"]) == pytest.approx(clean)
        assert set(gap) == {"mixture", "one_hot", "pruned"}
        assert [survey["domain"] for survey in each["landscapes"]] == ["mixture", "mixture", "alpha", "alpha"]
        for survey in each["landscapes"]:
            assert (survey["loss"][1][1], survey["accuracy"][1][1]) == pytest.approx(clean, rel=1e-4)
        attacked = each["sensitivity"]["adversarial_loss"]
        assert min(attacked) >= clean[0] - 1e-6 and attacked[-1] > clean[0] + 0.01
        # Towards the attack the loss grows.
        along = each["landscapes"][1]
        assert along["directions"] == ["attack", "random 1"] and along["loss"][1][2] > along["loss"][1][1]
        assert each["weight_hessian"]["spectral_norm"] > 0


def test_pictures(runs, analyses):
    for folder in (*(run / "analysis" for run in runs), runs[0] / "analysis" / "comparison"):
        for name in ("curvature", "loss", "accuracy"):
            assert (folder / f"{name}.png").read_bytes()[1:4] == b"PNG"
    one = {"run": next(iter(analyses.values()))}
    assert pictures.paint(one, "svg") == pictures.paint(one, "svg")


def test_a_command_that_leaves_parts_out(runs, tmp_path, monkeypatch, capsys):
    config = AnalyzeConfig(run_dir=str(runs[1]), **{**SMALL, "grid": 0, "weight_steps": 0, "statistics": "evaluation"})
    main(config)
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith(f"{runs[1]}  epoch 2  alpha Hessian ") and "accuracy: mixture " in line
    saved = json.loads((runs[1] / "analysis" / "analysis.json").read_text())
    assert saved["statistics"] == "evaluation"
    (each,) = saved["checkpoints"]
    assert each["landscapes"] == [] and each["weight_hessian"] is None
    assert np.isfinite(each["alpha_hessian"]["trace"])


def test_bad_input_is_one_sentence(runs, tmp_path, monkeypatch, capsys):
    def sentence(*argv):
        monkeypatch.setattr("sys.argv", ["analyze.py", *argv])
        assert command_line.run(main, AnalyzeConfig, description="") == 2
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    def write(name, **settings):
        (tmp_path / name).mkdir()
        config = dataclasses.replace(SearchConfig(), **settings)
        (tmp_path / name / "config.json").write_text(configuration.to_json(config))
        return f"--run_dir={tmp_path / name}"

    assert "--run_dir is needed" in sentence()
    assert "--run_dir=a,,b has an empty name" in sentence("--run_dir=a,,b")
    assert "names a twice" in sentence("--run_dir=a,b,a")
    assert "holds no search; name the folder of one." in sentence(f"--run_dir={tmp_path}")
    assert "holds no weights to analyze; finish the search" in sentence(write("unfinished"))
    assert "holds no weights to analyze; finish" in sentence(write("staged", method="pdarts"))
    assert "6 batches of 32 images are more than the 80" in sentence(f"--run_dir={runs[1]}", "--batches=6")
