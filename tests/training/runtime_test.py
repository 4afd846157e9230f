"""Settings of the whole process, each looked at in a process of its own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import tensorflow as tf
from sdarts_tf.training import runtime

{before}
runtime.suit_supernets()
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads(), end=" ")
print(tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False))
"""


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
