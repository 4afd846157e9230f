"""From `--strategy` and TF_CONFIG to devices, and what is said where there are none."""

import json
import socket

import pytest
import tensorflow as tf

from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training import cluster, strategy
from sdarts_tf.training.cluster import Cluster

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def test_devices_of_every_strategy():
    assert strategy.create("one_device").num_replicas_in_sync == 1
    assert strategy.create("mirrored").num_replicas_in_sync == 2  # all logical CPU devices
    # Runs of one process share it: the collectives of two strategies on the same devices would be taken for each other.
    assert strategy.create("mirrored") is strategy.create("mirrored")
    assert strategy.create("auto").num_replicas_in_sync == 1  # there is no GPU


def test_mirrored_needs_several_devices(monkeypatch):
    alone = tf.config.list_logical_devices("CPU")[:1]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: alone if kind == "CPU" else [])
    with pytest.raises(InputError, match=r"--strategy=mirrored found one device, .*CPU:0, and needs several"):
        strategy.create("mirrored")


def test_without_a_tpu_the_sentence_says_so():
    with pytest.raises(InputError, match=r"--strategy=tpu reached no TPU .*; run it on a TPU machine, or set TPU_NAME"):
        strategy.create("tpu")


def test_a_cluster_is_read():
    assert cluster.read("multi_worker", {"TF_CONFIG": json.dumps(TWO)}) == Cluster(("a:1", "b:2"), 1)
    assert cluster.read("mirrored", {"TF_CONFIG": "damaged"}).is_chief


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "finds its machines in the environment variable TF_CONFIG"),
        ("{", "cannot be read"),
        (json.dumps({"cluster": {"worker": ["a:1"]}}), "cannot be read .KeyError"),
        (json.dumps(TWO | {"cluster": {"worker": ["a"]}}), "list a host:port for each"),
        (json.dumps(TWO | {"task": {"type": "worker", "index": 2}}), "with an index from 0 to 1"),
        (json.dumps(TWO | {"task": {"type": "ps", "index": 0}}), "no other kind of task"),
    ],
)
def test_a_wrong_cluster_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        cluster.read("multi_worker", {"TF_CONFIG": text})


def _free_ports(count):
    doors = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def test_the_roll_call_ends_once_all_listen_or_time_is_over():
    mine, theirs = _free_ports(2)
    processes = Cluster((f"localhost:{mine}", f"localhost:{theirs}"), 0)
    with pytest.raises(RunError, match=f"localhost:{theirs} did not come within 0 seconds; start all 2 workers"):
        cluster.roll_call(processes, seconds=0.2)
    with socket.create_server(("localhost", theirs)):
        cluster.roll_call(processes, seconds=0.2)
        with pytest.raises(InputError, match=f"Port {theirs} of worker 1 is not free"):
            cluster.roll_call(Cluster(processes.addresses, 1), seconds=0.2)


def test_only_among_several_is_a_lost_connection_a_lost_worker():
    lost = tf.errors.UnavailableError(None, None, "Collective ops is aborted")
    sentence = r"Worker 1 lost another of the 2 workers and stops; start all .* --run_dir=here"
    with pytest.raises(RunError, match=sentence), strategy.together(Cluster(("a:1", "b:2"), 1), "here"):
        raise lost
    with pytest.raises(tf.errors.UnavailableError), strategy.together(Cluster(), "here"):
        raise lost
