"""A search or a training that is killed and resumed ends where an undisturbed one ends, bit for bit."""

import dataclasses
import json
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
COMMON = ["--dataset=digits", "--channels=2", "--cells=3", "--epochs=3", "--batch_size=16", "--checkpoint_seconds=0"]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that can be resumed.

    Args:
        name: of its module.
        flags: what it is started with.
        folder: where in the run's folder its files lie.
        steps: number of its steps.
        kills: how often it is killed.
        stopped_by: the signal that asks it to stop; both commands take the same way.
        results: files that must be equal at the end.
        weights: folders of further checkpoints that must be equal at the end.
    """

    name: str
    flags: list
    folder: str
    steps: int
    kills: int
    stopped_by: signal.Signals
    results: tuple
    weights: tuple = ()

    def start(self, run_dir, *flags):
        """The process."""
        command = [sys.executable, "-m", f"sdarts_tf.{self.name}", f"--run_dir={run_dir}", *COMMON, *self.flags, *flags]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, run_dir, *flags):
        """Runs it to its end."""
        process = self.start(run_dir, *flags)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, output + errors

    def steps_saved(self, run_dir):
        """Step of the newest checkpoint, or -1."""
        state = run_dir / self.folder / "checkpoints" / "checkpoint"
        try:
            return int(state.read_text().splitlines()[0].rstrip('"').rpartition("-")[2])
        except (OSError, ValueError, IndexError):
            return -1

    def state(self, run_dir):
        """All that the last checkpoints hold, but for times."""
        state = {}
        for folder in ("checkpoints", *self.weights):
            reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run_dir / self.folder / folder)))
            names = [name for name in reader.get_variable_to_shape_map() if "/.ATTRIBUTES/VARIABLE_VALUE" in name]
            names = [name for name in names if not name.startswith(("epoch_seconds", "save_count"))]
            state |= {f"{folder}/{name}": reader.get_tensor(name) for name in names}
        return state

    def records(self, run_dir):
        """What the other results hold, but for times."""
        lines = {}
        for name in self.results:
            text = (run_dir / self.folder / name).read_text()
            lines[name] = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else [json.loads(text)]
            for record in lines[name]:
                record.pop("seconds", None)
        return lines


COMMANDS = [
    Command(
        "search",
        ["--method=adv", "--space=s4", "--max_examples=480", "--pgd_steps=2", "--alpha_learning_rate=0.01"],
        folder="",
        steps=45,
        kills=5,
        stopped_by=signal.SIGINT,
        results=("genotype.json", "genotypes.jsonl", "mixtures.jsonl", "metrics.jsonl"),
    ),
    Command(
        "retrain",
        ["--genotype=c10_s4_pgd", "--max_examples=400", "--valid_share=0.4"],
        folder="retrain",
        steps=45,
        kills=3,
        stopped_by=signal.SIGTERM,
        results=("genotype.json", "data.json", "metrics.jsonl", "result.json"),
        weights=("last", "best"),
    ),
]


@pytest.fixture(scope="module", params=COMMANDS, ids=lambda command: command.name)
def command(request):
    return request.param


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    command.finish(run_dir)
    return run_dir


def _check_equal(command, run_dir, undisturbed):
    state, expected = command.state(run_dir), command.state(undisturbed)
    assert state.keys() == expected.keys() and len(state) > 50
    assert int(state["checkpoints/position/.ATTRIBUTES/VARIABLE_VALUE"]) == command.steps
    for folder in command.weights:
        assert sum(name.startswith(f"{folder}/network/") for name in state) > 50
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)
    assert command.records(run_dir) == command.records(undisturbed)


def test_killed_at_random_moments(command, undisturbed, tmp_path):
    """SIGKILL, several times, each time after a few more saved steps and a random delay."""
    run_dir, moments = tmp_path / "run", random.Random(1)
    flags = []
    for _ in range(command.kills):
        target = command.steps_saved(run_dir) + moments.randint(1, 4)
        process = command.start(run_dir, *flags)
        while command.steps_saved(run_dir) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.05))  # some steps at most: a fast machine must not reach the end
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        flags = ["--resume"]
    assert command.steps_saved(run_dir) < command.steps
    command.finish(run_dir, "--resume")
    _check_equal(command, run_dir, undisturbed)


def test_asked_to_stop(command, undisturbed, tmp_path):
    """SIGTERM and Ctrl-C save after the step, say how to go on, and exit with 128 plus the signal."""
    run_dir = tmp_path / "run"
    process = command.start(run_dir)
    while command.steps_saved(run_dir) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(command.stopped_by)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + command.stopped_by
    assert errors.splitlines()[-1].startswith(f"sdarts_tf.{command.name}: Stopped after step ")
    assert f"--resume --run_dir={run_dir}" in errors
    command.finish(run_dir, "--resume")
    _check_equal(command, run_dir, undisturbed)


def test_resuming_a_finished_run_changes_nothing(command, undisturbed):
    before = {path: path.read_bytes() for path in undisturbed.glob("**/*.json*")}
    command.finish(undisturbed, "--resume")
    assert {path: path.read_bytes() for path in before} == before


def test_a_contradicting_flag_is_refused(command, undisturbed):
    process = command.start(undisturbed, "--resume", "--seed=7")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "--seed=7 contradicts" in errors


def test_a_directory_with_a_run_is_refused(command, undisturbed):
    process = command.start(undisturbed)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "already holds a " in errors and "--resume" in errors
    assert (undisturbed / command.folder / "genotype.json").exists()
