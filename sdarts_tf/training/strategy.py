"""From `--strategy` to a `tf.distribute` strategy, in whose scope a run is built and run."""

import contextlib
import faulthandler
import functools
import os

import tensorflow as tf

from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training import cluster
from sdarts_tf.training.cluster import Cluster

# What the collectives of the living report when a worker is gone.
_PEER_IS_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


def create(name: str) -> tf.distribute.Strategy:
    """The strategy that a run's variables are made under.

    Args:
        name: `auto` and `mirrored`: a replica on every GPU of this machine; where there is none, `auto` takes the CPU
            and `mirrored` all logical CPU devices. `one_device`: the first GPU, else the CPU. `multi_worker`: every
            GPU, or the CPU, of every process in TF_CONFIG; returns once all of them are there. `tpu`: the TPU that
            TPU_NAME names, or this machine's.

    Raises:
        InputError: there are no such devices.

    Example:
        >>> create("one_device").num_replicas_in_sync
        1
    """
    return STRATEGIES[name]()


def _auto():
    gpus = _names("GPU")
    return _mirror(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()


def _mirrored():
    devices = _names("GPU") or _names("CPU")
    if len(devices) == 1:
        raise InputError(f"--strategy=mirrored found one device, {devices[0]}, and needs several; use --strategy=auto.")
    return _mirror(devices)


def _names(kind):
    return tuple(device.name for device in tf.config.list_logical_devices(kind))


@functools.cache
def _mirror(devices):
    # One for all runs of a process: a second one on the same devices would number its collectives as the first did,
    # and TensorFlow would take them for the same ones.
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker():
    processes = cluster.read("multi_worker")
    cluster.roll_call(processes)
    try:
        with _limited(seconds=60):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:  # TensorFlow has computed something already, as tensorflow-datasets does to read
        raise InputError(
            "--strategy=multi_worker cannot read the folders of tensorflow-datasets; give --data_dir the data set's "
            "own files, or a .npz."
        ) from error
    except tf.errors.OpError as error:
        raise RunError(
            f"Worker {processes.index} could not join the others ({error.message.splitlines()[0]}); start all again."
        ) from error


def _tpu():
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", "local"))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"--strategy=tpu reached no TPU ({reason}); run it on a TPU machine, or set TPU_NAME to the TPU's name."
        ) from error


STRATEGIES = {
    "auto": _auto,
    "one_device": tf.distribute.get_strategy,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


@contextlib.contextmanager
def _limited(seconds):
    """Ends the process with status 1 after so many seconds, also where native code keeps Python from running.

    It is for the short while in which a worker that has answered the roll call may still die.
    """
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def together(cluster: Cluster, run_dir):
    """Turns the loss of another worker, of whom the others hear in their next collective, into one sentence.

    Raises:
        RunError: a worker of the cluster ended or cannot be reached.
    """
    try:
        yield
    except _PEER_IS_GONE as error:
        if len(cluster.addresses) == 1:
            raise
        raise RunError(
            f"Worker {cluster.index} lost another of the {len(cluster.addresses)} workers and stops; start all of them "
            f"again with --resume --run_dir={run_dir} to go on from the last checkpoint."
        ) from error
