"""`scripts/nasbench201_study.py` on folders that hold what searches leave behind."""

import importlib.util
import json
import pathlib
import sys

import numpy as np
import pytest
import scipy.stats

from sdarts_tf.errors import InputError
from sdarts_tf.studies import jobs
from sdarts_tf.training.interruption import Interrupted

PATH = pathlib.Path(__file__).parents[2] / "scripts" / "nasbench201_study.py"
FLAGS = ["--space=nasbench201", "--dataset=digits", "--cells=1", "--benchmark=table.csv"]


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location(PATH.stem, PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(tmp_path):
    """Function of a folder's name, the figures of its epochs and their taus."""

    def make(name, figures, taus):
        folder = tmp_path / name
        folder.mkdir()
        edges = [["none", 0, 1], ["skip_connect", 0, 2]]
        genotypes = [{"epoch": epoch, "cells": {"cell": edges}} for epoch in range(len(figures) + 1)]
        metrics = [{"epoch": epoch, "skip_connections": 1, **each} for epoch, each in enumerate(figures, start=1)]
        for file, lines in (("genotypes.jsonl", genotypes), ("metrics.jsonl", metrics)):
            (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
        checkpoints = [{"epoch": epoch, "tau": tau} for epoch, tau in taus.items()]
        (folder / "correlation.json").write_text(json.dumps({"checkpoints": checkpoints}))
        return folder

    return make


def cells(table, start):
    """The columns of the row of a table that starts so."""
    (row,) = [line for line in table.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in row.split("|")[1:-1]]


def is_table(text):
    return all(len({line.count("|") for line in part.splitlines()}) == 1 for part in text.split("\n\n"))


@pytest.fixture
def runs(study, write):
    """Two methods, three seeds: accuracies fall at the end, or rise; every second epoch has a Hessian."""
    found = {"darts": [], "adv": []}
    for seed in range(3):
        for method, accuracies in (("darts", (0.9, 0.92, 0.91, 0.9 - seed / 100)), ("adv", (0.9, 0.91, 0.92, 0.93))):
            norm = {"darts": 0.5, "adv": 0.1}[method] + seed / 100
            figures = [{"true_test_accuracy": x + seed / 1000, "regret": 0.94 - x} for x in accuracies]
            for each in figures[1::2]:
                each["hessian_norm"] = norm
            taus = {2: 0.1, 4: None if method == "darts" and not seed else norm}
            found[method].append(study.curves(write(f"{method}-{seed}", figures, taus)))
    return found


def test_tables(study, runs):
    epochs = study.epochs_table(runs, 2)
    figures = ["93.10 ± 0.10", "1.00 ± 0.00", "0.110 ± 0.010", "1.0 ± 0.0", "1.0 ± 0.0"]
    assert cells(epochs, "| 4 | `adv`")[2:] == figures
    assert cells(epochs, "| 1 | `darts`")[4] == ""
    verdict = cells(study.verdict_table(runs), "| `darts`")
    assert verdict[1:] == ["90.00, 89.10, 88.20", "89.10 ± 0.90", "89.10", "92.10", "2.0, 3.0, 4.0"]
    chance = study.chance_table(runs)
    three = scipy.stats.mannwhitneyu([1, 2, 3], [4, 5, 6]).pvalue
    two = scipy.stats.mannwhitneyu([1, 2], [0, -1, -2]).pvalue  # one tau is not known
    assert cells(chance, "| `darts`, `adv`")[1:] == [f"{three:.3f}", f"{three:.3f}", f"{two:.3f}"]
    assert "epochs 2 to 2 and 4 to 4, Wilcoxon, p" in chance and cells(chance, "| `adv` |")[1] == "0.25"
    assert cells(study.tau_table(runs), "| `darts`")[1:] == ["0.100 ± 0.000", "0.515 ± 0.007 (2 of 3)"]
    assert all(map(is_table, (epochs, study.verdict_table(runs), chance, study.tau_table(runs))))


def test_runs_that_ended_early_without_a_hessian_and_with_validation_accuracies_only(study, write, tmp_path):
    lengths = {"darts": (3, 5), "rs": (4,)}
    runs = {
        method: [
            study.curves(write(f"{method}-{length}", [{"true_valid_accuracy": 0.8}] * length, {length: None}))
            for length in each
        ]
        for method, each in lengths.items()
    }
    epochs = study.epochs_table(runs, 4)
    assert "true validation accuracy" in epochs and cells(epochs, "| 5 | `rs`")[2:] == [""] * 5
    assert cells(epochs, "| 4 | `darts`")[2] == "80.00 ± 0.00 (1 of 2)"
    tables = epochs, study.verdict_table(runs), study.chance_table(runs), study.tau_table(runs)
    assert all(map(is_table, tables)) and not any("nan" in table for table in tables)
    study.paint(runs, tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 1000
    with pytest.raises(InputError, match="have no true accuracies; give them a --benchmark"):
        study.accuracy_of({"darts": [study.curves(write("bare", [{}], {1: 0.1}))]})


def test_the_picture_of_all_and_its_limits(study, runs, tmp_path):
    study.paint(runs, tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 1000
    good = [90 + np.arange(10) / 10] * 4
    bottom, top, leaving = study.limits(good)
    assert bottom < 90 and top > 90.9 and leaving == 0
    bottom, _, leaving = study.limits([*good, np.array([np.nan, 10, 91])])
    assert 85 < bottom < 90 and leaving == 1


def test_a_study_goes_on_with_the_same_settings_only(study, tmp_path):
    flagfile, out = tmp_path / "some.flags", tmp_path / "out"
    flagfile.write_text("\n".join(FLAGS))
    config = study.prepare(out, ["darts"], [f"--flagfile={flagfile}"])
    assert (config.benchmark, config.cells) == ("table.csv", 1)
    moved = [*FLAGS, "--benchmark=moved.csv", "--data_dir=moved", "--seed=9"]
    config = study.prepare(out, ["darts", "adv"], moved)
    with pytest.raises(InputError, match=r"--out=.*out holds a study with other settings \(--cells=2 was 1\); name"):
        study.prepare(out, ["darts"], [*FLAGS, "--cells=2"])
    (out / "darts-0").mkdir()
    (out / "study.json").rename(out / "darts-0" / "config.json")
    with pytest.raises(InputError, match="--epochs=3 was 50"):  # as an earlier version left it
        study.prepare(out, ["darts"], [*FLAGS, "--epochs=3"])
    ((search, correlate),) = study.chains(config, {("adv", 4): tmp_path / "adv-4"})
    assert {"--method=adv", "--seed=4"} < set(search.flags)
    assert set(search.always) == {"--benchmark=moved.csv", "--data_dir=moved"} < set(correlate.arguments())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs=0", "--", *FLAGS], "--jobs: 0 is out of range; give a whole number that is at least 1"),
        (["--seeds=0", "--", *FLAGS], "--seeds: 0 is out of range"),
        (["--", *FLAGS[:-1]], "True accuracies need --benchmark=FILE"),
        (["--methods=darts,pc", "--", *FLAGS], "'pc' needs the cells of DARTS"),
        (["--", *FLAGS, "--chanels=3"], "--chanels is not a flag; did you mean --channels"),
    ],
)
def test_a_mistake_is_one_sentence_and_begins_nothing(study, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["study", f"--out={tmp_path / 'out'}", *arguments])
    with pytest.raises(SystemExit) as caught:
        study.main()
    assert caught.value.code == 2 and message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_an_interruption_and_a_collection(study, write, monkeypatch, capsys, tmp_path):
    def stop(chains, environments):
        raise Interrupted("Stopped.", 2)

    monkeypatch.setattr(jobs, "run_all", stop)
    monkeypatch.setattr(sys, "argv", ["study", f"--out={tmp_path}", "--", *FLAGS])
    with pytest.raises(SystemExit) as caught:
        study.main()
    assert caught.value.code == 130 and capsys.readouterr().err == "study: Stopped.\n"
    write("rs-1", [{"true_test_accuracy": 0.8}], {1: 0.1})
    monkeypatch.setattr(sys, "argv", ["study", f"--out={tmp_path}", "--collect"])
    with pytest.raises(SystemExit) as caught:
        study.main()
    assert caught.value.code is None and "80.00 ± 0.00" in capsys.readouterr().out and (tmp_path / "study.png").exists()
