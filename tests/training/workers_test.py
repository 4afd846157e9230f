"""Two processes on loopback share a run: one is killed or asked to stop, and the run goes on."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
COMMON = ["--dataset=digits", "--channels=2", "--cells=3", "--epochs=2", "--batch_size=16", "--checkpoint_seconds=0"]
SEARCH = ["--method=rs", "--space=s4", "--max_examples=640"]
RETRAIN = ["--genotype=c10_s4_pgd", "--max_examples=400", "--valid_share=0.2"]
# A process of its own, because rounding depends on TensorFlow's threads.
ON_TWO_LOCAL_DEVICES = """
import sys
import tensorflow as tf
from sdarts_tf import command_line, search
from sdarts_tf.config import SearchConfig

devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
search.search(command_line.parse(SearchConfig, sys.argv[1:]))
"""


def start(command, run_dir, *flags):
    """Two workers."""
    doors = [socket.create_server(("localhost", 0)) for _ in range(2)]
    addresses = [f"localhost:{door.getsockname()[1]}" for door in doors]
    for door in doors:
        door.close()
    line = [sys.executable, "-m", f"sdarts_tf.{command}", f"--run_dir={run_dir}", "--strategy=multi_worker", *COMMON]
    workers = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        options = {"env": os.environ | {"TF_CONFIG": json.dumps(config)}, "cwd": ROOT, "text": True}
        workers.append(subprocess.Popen([*line, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
    return workers


def finish(workers):
    """Output, errors and exit statuses of all."""
    texts = [worker.communicate(timeout=300) for worker in workers]
    return texts, [worker.returncode for worker in workers]


def send_in_the_middle(number, worker, folder):
    """The signal, after the first checkpoint."""
    while not (folder / "checkpoint").exists():
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.01)
    worker.send_signal(number)


def state(folder):
    """All that the last checkpoint holds, but for times."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if "/.ATTRIBUTES/VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("epoch_seconds", "save_count"))}


def test_a_search_goes_on_after_a_worker_was_killed(tmp_path):
    """The other one ends with one sentence; the chief alone writes; all ends as a search on two local devices does."""
    run_dir = tmp_path / "run"
    workers = start("search", run_dir, *SEARCH)
    send_in_the_middle(signal.SIGKILL, workers[1], run_dir / "checkpoints")
    killed = time.monotonic()
    texts, statuses = finish(workers)
    assert statuses == [1, -signal.SIGKILL] and time.monotonic() - killed < 60, texts
    assert texts[0][1].splitlines()[-1] == (
        "sdarts_tf.search: Worker 0 lost another of the 2 workers and stops; start all of them again with "
        f"--resume --run_dir={run_dir} to go on from the last checkpoint."
    )
    texts, statuses = finish(start("search", run_dir, *SEARCH, "--resume"))
    assert statuses == [0, 0], texts
    finished = [line for line in texts[0][1].splitlines() if "  step " not in line]  # a slow machine shows steps too
    assert [line.split()[1] for line in finished] == ["1/2", "2/2"] and texts[1][1] == ""
    assert len(list((run_dir / "events").iterdir())) == 2  # one file for each start of the chief

    # The same variables as several machines have.
    line = [sys.executable, "-c", ON_TWO_LOCAL_DEVICES, *COMMON, *SEARCH, "--strategy=mirrored", "--edges_at_once=0"]
    done = subprocess.run([*line, f"--run_dir={tmp_path}/local"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ours, expected = state(run_dir / "checkpoints"), state(tmp_path / "local" / "checkpoints")
    assert ours.keys() == expected.keys() and len(ours) > 50
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("asked", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_training_goes_on_after_a_worker_was_asked_to_stop(tmp_path, asked):
    """SIGTERM to either worker stops both after the same step, saved; a restart finishes, on one device too."""
    run_dir = tmp_path / "run"
    workers = start("retrain", run_dir, *RETRAIN)
    send_in_the_middle(signal.SIGTERM, workers[asked], run_dir / "retrain" / "checkpoints")
    texts, statuses = finish(workers)
    assert statuses == [143, 143], texts
    sentences = {errors.splitlines()[-1] for _, errors in texts}
    assert len(sentences) == 1 and "Stopped after step " in sentences.pop()
    position = int(state(run_dir / "retrain" / "checkpoints")["position/.ATTRIBUTES/VARIABLE_VALUE"])
    assert 0 < position < 40
    if asked:
        texts, statuses = finish(start("retrain", run_dir, *RETRAIN, "--resume"))
        assert statuses == [0, 0] and texts[0][0] and texts[0][0] == texts[1][0], texts
    else:
        line = [sys.executable, "-m", "sdarts_tf.retrain", *COMMON, *RETRAIN, "--resume", f"--run_dir={run_dir}"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (run_dir / "retrain" / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert 0 <= json.loads((run_dir / "retrain" / "result.json").read_text())["test_accuracy"] <= 1
