"""Settings of the whole process, each looked at in a process of its own."""

import os
import subprocess
import sys

import pytest

from sdarts_tf.config import SearchConfig
from sdarts_tf.training import runtime

PROGRAM = """
import tensorflow as tf
from sdarts_tf.training import runtime

{before}
runtime.suit_supernets()
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads(), end=" ")
print(tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False))
"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 1),  # batch 64, 16 channels
        ({"batch_size": 17}, 1),
        ({"batch_size": 16}, 2),
        ({"accumulate_steps": 4}, 2),
        ({"method": "adv+pc"}, 2),
        ({"method": "pc", "channel_divisor": 2}, 1),
        ({"channels": 4, "batch_size": 256}, 2),  # few channels
        ({"batch_size": 32, "precision": "bfloat16"}, 2),
        ({"batch_size": 33, "precision": "bfloat16"}, 1),
        ({"edges_at_once": 3}, 3),
        ({"edges_at_once": 0}, 0),
        ({"recompute": True}, 0),
        ({"jit_compile": True}, 0),
        ({"strategy": "tpu"}, 0),
        ({"strategy": "multi_worker"}, 0),
        ({"space": "nasbench201"}, None),
        ({"space": "recurrent"}, None),
    ],
)
def test_edges_at_once_are_what_suits_the_devices(settings, expected, monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    assert runtime.suited(SearchConfig(**settings), (32, 32, 3)).edges_at_once == expected


def test_small_images_have_small_maps(monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    found = [runtime.suited(SearchConfig(), (side, side, 1)).edges_at_once for side in (8, 16, 17, 224)]
    assert found == [2, 2, 1, 1]


def test_on_a_gpu_all_edges_are_computed_at_once(monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [kind])
    assert runtime.suited(SearchConfig(), (32, 32, 3)).edges_at_once == 0


def _threads(before="", **environment):
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_many_operations_side_by_side_and_no_graph_optimizer():
    cores = len(os.sched_getaffinity(0))
    assert _threads() == [str(max(1, cores // 4)), str(cores), "True"]


@pytest.mark.parametrize("name", ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"])
def test_threads_that_the_environment_sets_are_kept(name):
    assert _threads(**{name: "3"})[:2] == ["0", "0"]


def test_a_process_in_which_tensorflow_works_is_left_alone():
    assert _threads(before="tf.zeros([1]).numpy()")[:2] == ["0", "0"]


def test_a_process_with_a_gpu_is_left_alone():
    fake = "tf.config.list_physical_devices = lambda kind: [kind]"
    assert _threads(before=fake) == ["0", "0", "False"]
