"""Runs that cost nothing: a job writes the files that the command would, its figures given by a formula."""

import json

import pytest

from sdarts_tf import command_line
from sdarts_tf import config as configuration
from sdarts_tf.config import RetrainConfig, SearchConfig, TuneConfig
from sdarts_tf.studies import jobs


@pytest.fixture
def pretend():
    """Function of a formula, config and epoch -> figures; returns what runs jobs, which notes them in its `ran`.

    A pretended search goes on where an earlier job on its folder ended, as real ones do.
    """

    def make(formula):
        def run(chain, environment=None):
            for job in chain:
                if not job.is_finished():
                    run.ran.append(job)
                    _write(job, formula)

        run.ran = []
        return run

    return make


@pytest.fixture
def study(tmp_path):
    """Function of the keys of a file -> the settings of a tune of it."""

    def make(**keys):
        path = tmp_path / "study.json"
        path.write_text(json.dumps({"objective": "pruned_accuracy", "settings": {"epochs": 2}, **keys}))
        return TuneConfig(file=str(path), run_dir=str(tmp_path / "tune"))

    return make


def _write(job, formula):
    training = job.command == "retrain"
    folder = job.run_dir / "retrain" if training else job.run_dir
    config = command_line.parse(RetrainConfig if training else SearchConfig, [*job.flags, *job.always])
    folder.mkdir(parents=True, exist_ok=True)
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    assert not lines or "--resume" in job.arguments()
    if not job.has_begun():
        (folder / "config.json").write_text(configuration.to_json(config))
    for epoch in range(len(lines) + 1, min(config.epochs, config.stop_after or config.epochs) + 1):
        lines.append(json.dumps({"epoch": epoch, **formula(config, epoch)}))
        metrics.write_text("\n".join(lines) + "\n")
    if len(lines) == config.epochs:
        result = {"test_accuracy": 0.5 + config.seed / 100} if training else {}
        (folder / ("result.json" if training else "genotype.json")).write_text(json.dumps(result))
    assert job.is_finished() == (len(lines) == config.epochs) and isinstance(job, jobs.Job)
