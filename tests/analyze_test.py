"""`sdarts_tf.analyze` on two small searches."""

import dataclasses
import json
import shutil

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
    "gap_every": 1,
    "gap_batches": 2,
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
def analysis(runs):
    (analysis,) = analyze(AnalyzeConfig(run_dir=(str(runs[0]),), **SMALL)).values()
    return analysis


def test_what_is_written(runs, analysis):
    assert json.loads((runs[0] / "analysis" / "analysis.json").read_text()) == analysis
    assert (analysis["batches"], analysis["batch_size"], analysis["statistics"]) == (2, 32, "training")
    assert [each["epoch"] for each in analysis["checkpoints"]] == [1, 2]


def test_the_gap_is_the_one_that_the_search_measured(runs, analysis):
    lines = [json.loads(line) for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    for each, recorded in zip(analysis["checkpoints"], lines, strict=True):
        for step, figures in each["gap"].items():
            assert recorded[f"{step}_loss"] == pytest.approx(figures["loss"], rel=1e-5)
            assert recorded[f"{step}_accuracy"] == pytest.approx(figures["accuracy"], abs=1e-6)


def test_the_hessian_is_the_one_that_the_search_measured(runs, analysis):
    recorded = json.loads((runs[0] / "metrics.jsonl").read_text().splitlines()[-1])
    hessian = analysis["checkpoints"][-1]["alpha_hessian"]
    assert hessian["spectral_norm"] == pytest.approx(recorded["hessian_norm"], rel=1e-4)
    assert hessian["spread"] == pytest.approx(recorded["hessian_spread"], rel=1e-3)
    assert hessian["largest"] == pytest.approx(recorded["hessian_largest"], rel=1e-4)
    values = hessian["eigenvalues"]
    assert len(values) == 56 and values == sorted(values)
    assert sum(values) == pytest.approx(hessian["trace"]) and values[-1] == hessian["largest"]


def test_figures_agree_where_they_meet(analysis):
    """The centres of all landscapes, the clean loss and the first step of the gap are one and the same."""
    for each in analysis["checkpoints"]:
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


def test_pictures_of_one_and_of_several_runs(runs, analysis):
    for name in ("curvature", "loss", "accuracy"):
        assert (runs[0] / "analysis" / f"{name}.png").read_bytes()[1:4] == b"PNG"
    several = {"first": analysis, "second": analysis}
    painted = pictures.paint(several, "svg")
    assert painted.keys() == {"curvature", "loss", "accuracy"} and painted == pictures.paint(several, "svg")


@pytest.mark.slow
def test_several_runs_one_without_kept_weights_and_less_measured(runs, analysis, capsys):
    """A run that kept nothing is analyzed at its end: what is not left out is as before."""
    config = AnalyzeConfig(run_dir=tuple(map(str, runs)), **{**SMALL, "grid": 0, "weight_steps": 0})
    main(config)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{runs[0]}  epoch 1  alpha Hessian ") and "accuracy: mixture " in lines[0]
    assert lines[-1] == f"Comparison: {runs[0] / 'analysis' / 'comparison'}"
    assert (runs[0] / "analysis" / "comparison" / "curvature.png").read_bytes()[1:4] == b"PNG"
    saved = json.loads((runs[1] / "analysis" / "analysis.json").read_text())
    assert saved["checkpoints"] == [analysis["checkpoints"][1] | {"landscapes": [], "weight_hessian": None}]


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
    assert "--run_dir has an empty value" in sentence("--run_dir=a,,b")
    assert "--run_dir has a twice" in sentence("--run_dir=a,b,a")
    assert "holds no search; name the folder of one." in sentence(f"--run_dir={tmp_path}")
    assert "holds no weights to analyze; finish the search" in sentence(write("unfinished"))
    assert "holds no weights to analyze; finish" in sentence(write("staged", method="pdarts"))
    assert "6 batches of 32 images are more than the 80" in sentence(f"--run_dir={runs[1]}", "--batches=6")
