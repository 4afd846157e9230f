"""Runs are read as far as they go; what is missing is said together with what would make it."""

import json
import shutil

import numpy as np
import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.reporting import page, run
from sdarts_tf.reporting.missing import missing


def read(folder):
    (found,) = run.read([str(folder)])
    return found


def test_shares_are_arrays_of_epochs_rows_and_candidates(write_run):
    found = read(write_run())
    assert found.share_epochs == (0, 1, 2) and found.shares["normal"].shape == (3, 14, 2)
    np.testing.assert_allclose(found.shares["normal"][2, 5], [0.17, 0.83])


def test_runs_are_called_by_what_tells_them_apart(write_run):
    first, second = write_run("a/run"), write_run("b/run")
    assert [each.label for each in run.read([str(first), str(second)])] == [str(first), str(second)]
    assert read(first).label == "run"


def test_nothing_is_missing_of_a_complete_run(write_run):
    assert missing(read(write_run())) == []


@pytest.mark.parametrize(
    "gone, what, command",
    [
        ("retrain", "No network with the found cells was trained.", "retrain --run_dir={run}"),
        ("retrain/result.json", "The training is not finished: 2 epochs are done.", "retrain --resume --run_dir={run}"),
        ("retrain/evaluation.json", "The trained network was not evaluated", "evaluate --run_dir={run}"),
        ("analysis", "Spectrum, landscapes, discretization gap and sensitivity", "analyze --run_dir={run}"),
        (
            "mixtures.jsonl",
            "The shares of each epoch were not recorded",
            "search --flagfile={run}/run.flags --run_dir={run}-again",
        ),
        ("genotype.json", "The search is not finished: 2 epochs are done.", "search --resume --run_dir={run}"),
    ],
)
def test_what_is_missing_is_said_with_its_command(write_run, gone, what, command):
    folder = write_run()
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (found,) = missing(read(folder))
    assert found.what.startswith(what) and found.command == "python -m sdarts_tf." + command.format(run=folder)
    html = page.render([read(folder)])
    assert found.what in html and found.command in html


def test_a_search_that_has_just_begun(write_run):
    folder = write_run()
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "config.json":
            path.unlink()
    found = [each.what.split(":")[0] for each in missing(read(folder))]
    assert found[0] == "The search is not finished" and len(found) == 3
    assert "0 epochs are done" in page.render([read(folder)])


def test_a_search_without_its_measurements(write_run):
    folder = write_run("r s", space="s3", epochs=100)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = [{name: value for name, value in line.items() if "hessian" not in name} for line in lines]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    (found,) = missing(read(folder))
    assert found.command == (
        f"python -m sdarts_tf.search '--flagfile={folder}/run.flags' '--run_dir={folder}-again' --hessian_every=4 "
        "--keep_every=20"
    )


def test_true_accuracies_can_be_looked_up_afterwards(write_run):
    folder = write_run()
    config = json.loads((folder / "config.json").read_text()) | {"space": "nasbench201"}
    (folder / "config.json").write_text(json.dumps(config))
    (found,) = missing(read(folder))
    assert found.command == f"python -m sdarts_tf.query --run_dir={folder} --benchmark=FILE"


def test_a_training_without_a_search(write_run):
    folder = write_run()
    for path in folder.iterdir():
        if path.name != "retrain":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = read(folder)
    assert found.search is None and missing(found) == []
    assert "Cells: Trained" in page.render([found])


def test_figures_of_a_benchmark(write_run):
    folder = write_run()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    true = {"true_test_accuracy": 0.9375, "true_valid_accuracy": 0.9, "regret": 0.0062}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line | true) + "\n" for line in lines))
    html = page.render([read(folder)])
    assert "<td>93.75 %</td>" in html and "<td>0.62 %</td>" in html
    assert "Regret: what the best genotype is better by by epoch. run: 0.6% at 1" in html


def test_a_folder_without_a_run(tmp_path):
    sentence = f"--run_dir={tmp_path} holds neither a search nor a training; name the folder of a run."
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "file, text",
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("metrics.jsonl", '{"epoch": 1}\n{"epo'),
        ("metrics.jsonl", '{"loss": 1}\n'),
        ("mixtures.jsonl", '{"epoch": 0}\n'),
        ("mixtures.jsonl", '{"epoch": 0, "mixture": {"normal": [[0.5, 0.5], [1.0]]}}\n'),
        ("mixtures.jsonl", '{"epoch": 0, "mixture": {"normal": [0.5, 0.5]}}\n'),
        ("genotype.json", '{"space": "s2"}'),
        ("analysis/analysis.json", "{}"),
        ("analysis/analysis.json", '{"checkpoints": [{"epoch": 1}]}'),
        ("retrain/evaluation.json", "\x00"),
    ],
)
def test_a_damaged_file_is_named(write_run, file, text):
    folder = write_run()
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=str(folder / file)):
        read(folder)


def test_a_damaged_analysis_is_named(write_run):
    folder = write_run()
    path = folder / "analysis" / "analysis.json"
    record = json.loads(path.read_text())
    for part, value in (("gap", {}), ("sensitivity", {"clean_loss": 1}), ("landscapes", [{"x": [1], "y": [1]}])):
        broken = record | {"checkpoints": [record["checkpoints"][0] | {part: value}]}
        path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=f"{path} is damaged"):
            read(folder)
