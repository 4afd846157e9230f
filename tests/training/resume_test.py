"""A search that is killed and resumed ends where an undisturbed one ends, bit for bit."""

import json
import os
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
FLAGS = [
    *("--method=adv", "--space=s4", "--dataset=digits", "--channels=2", "--cells=3", "--epochs=3", "--batch_size=16"),
    *("--max_examples=480", "--pgd_steps=2", "--alpha_learning_rate=0.01", "--checkpoint_seconds=0"),
]


def _start(run_dir, *flags):
    command = [sys.executable, "-m", "sdarts_tf.search", f"--run_dir={run_dir}", *FLAGS, *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(run_dir, *flags):
    process = _start(run_dir, *flags)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors


def _final_alpha(run_dir):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run_dir / "checkpoints")))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("architecture/alpha")]
    assert len(names) == 2
    return {name: reader.get_tensor(name) for name in names}


def _steps_saved(run_dir):
    """Step of the newest checkpoint, or -1."""
    state = run_dir / "checkpoints" / "checkpoint"
    try:
        return int(state.read_text().splitlines()[0].rstrip('"').rpartition("-")[2])
    except (OSError, ValueError, IndexError):
        return -1


def _lines(run_dir, name):
    records = [json.loads(line) for line in (run_dir / name).read_text().splitlines()]
    for record in records:
        record.pop("seconds", None)
    return records


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    _finish(run_dir)
    return run_dir


def _check_equal(run_dir, undisturbed):
    for name, alpha in _final_alpha(undisturbed).items():
        np.testing.assert_array_equal(_final_alpha(run_dir)[name], alpha)
    for name in ("metrics.jsonl", "genotypes.jsonl"):
        assert _lines(run_dir, name) == _lines(undisturbed, name)
    assert (run_dir / "genotype.json").read_text() == (undisturbed / "genotype.json").read_text()


def test_killed_at_five_random_moments(undisturbed, tmp_path):
    """SIGKILL, five times, each time after a few more saved steps and a random delay."""
    run_dir, moments = tmp_path / "run", random.Random(1)
    flags = []
    for _ in range(5):
        target = _steps_saved(run_dir) + moments.randint(1, 6)
        process = _start(run_dir, *flags)
        while _steps_saved(run_dir) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        flags = ["--resume"]
    assert _steps_saved(run_dir) < 3 * (240 // 16)
    _finish(run_dir, "--resume")
    _check_equal(run_dir, undisturbed)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop(undisturbed, tmp_path, number, status):
    """SIGTERM and Ctrl-C save after the step, say how to go on, and exit with 128 plus the signal."""
    run_dir = tmp_path / "run"
    process = _start(run_dir)
    while _steps_saved(run_dir) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == status
    assert errors.splitlines()[-1].startswith("sdarts_tf.search: Stopped after step ")
    assert f"--resume --run_dir={run_dir}" in errors
    _finish(run_dir, "--resume")
    _check_equal(run_dir, undisturbed)


def test_resuming_a_finished_run_changes_nothing(undisturbed):
    before = {path: path.read_bytes() for path in undisturbed.glob("*.json*")}
    _finish(undisturbed, "--resume")
    assert {path: path.read_bytes() for path in before} == before


def test_a_contradicting_flag_is_refused(undisturbed):
    process = _start(undisturbed, "--resume", "--seed=7")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "--seed=7 contradicts" in errors


def test_a_directory_with_a_run_is_refused(undisturbed):
    process = _start(undisturbed)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "already holds a run" in errors and "--resume" in errors
    assert os.path.exists(undisturbed / "genotype.json")
