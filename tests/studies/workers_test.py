"""A chief and two workers on loopback, one of which is killed in a trial."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("keras_tuner", reason="needs the extra tune")
from sdarts_tf.studies import results

ROOT = pathlib.Path(__file__).parents[2]
FILE = {
    "objective": "pruned_accuracy",
    "oracle": "grid",
    "tune": {"method": ["darts", "rs"], "epsilon": [0.1, 0.3]},
    "settings": {"space": "s2", "dataset": "digits", "channels": 2, "cells": 3, "epochs": 2, "batch_size": 16}
    | {"max_examples": 200, "checkpoint_seconds": 0},
}


def start(name, port, folder, *flags):
    """One of the three processes."""
    served = {"KERASTUNER_ORACLE_IP": "localhost", "KERASTUNER_ORACLE_PORT": str(port), "KERASTUNER_TUNER_ID": name}
    command = [sys.executable, "-m", "sdarts_tf.tune", f"--run_dir={folder / 'tune'}", f"--file={folder / 'file.json'}"]
    options = {"cwd": ROOT, "env": os.environ | served, "text": True, "stdout": subprocess.PIPE}
    return subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, **options)


@pytest.mark.slow
def test_two_workers_share_a_grid_and_a_killed_one_goes_on_with_its_trial(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps(FILE))
    with socket.create_server(("localhost", 0)) as door:
        port = door.getsockname()[1]
    chief, first, second = (start(name, port, tmp_path) for name in ("chief", "tuner0", "tuner1"))
    trials = tmp_path / "tune" / "trials"
    while len(list(trials.glob("*/checkpoints/checkpoint"))) < 2:
        assert None is chief.poll() is first.poll() is second.poll()
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    again = start("tuner0", port, tmp_path)
    texts = [process.communicate(timeout=600) for process in (again, second, chief)]
    assert [process.returncode for process in (again, second, chief)] == [0, 0, 0], texts
    found = results.read(tmp_path / "tune")
    assert [trial.status for trial in found] == ["COMPLETED"] * 4
    values = [(trial.values["method"], trial.values["epsilon"]) for trial in found]
    assert values == [("darts", 0.1), ("darts", 0.3), ("rs", 0.1), ("rs", 0.3)]
    # DARTS has no perturbation, so that its two trials are the same run, made by different workers.
    assert found[0].figures["pruned_accuracy"] == found[1].figures["pruned_accuracy"]
    by_worker = [sum(line.startswith("trial ") for line in errors.splitlines()) for _, errors in texts]
    assert by_worker[0] and by_worker[1] and sum(by_worker) == 4 and not by_worker[2]
    assert "| trial |" in texts[2][0] and (tmp_path / "tune" / "slices.png").exists()
