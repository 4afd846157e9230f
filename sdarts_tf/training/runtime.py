"""Settings of TensorFlow that hold for the whole process."""

import contextlib
import dataclasses
import os

import keras
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.training.search_step import parse_method

_LARGE_MAP_BYTES = 2**20  # measured: docs/performance.md


def make_reproducible(seed: int) -> None:
    """Keys every random draw by `seed` and asks TensorFlow for deterministic kernels."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def suit_supernets() -> None:
    """On a CPU, runs many operations side by side instead of splitting each, and starts sooner.

    A supernet is wide: its candidates wait for nothing but their node. One thread for each of them spares the
    synchronization of splitting small kernels. TensorFlow's graph optimizer gives a supernet nothing measurable and
    takes a third of the time to the first step; docs/performance.md has the figures.

    A process with a GPU is left as it is, and so is one in which TensorFlow has begun to work, or for which the
    environment sets `TF_NUM_INTRAOP_THREADS` or `TF_NUM_INTEROP_THREADS`.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"} & os.environ.keys():
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):  # TensorFlow has started its threads
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // 4))
        tf.config.threading.set_inter_op_parallelism_threads(cores)


def suited(config: SearchConfig, image_shape: tuple[int, int, int] | None) -> SearchConfig:
    """The settings of a new search; where `edges_at_once` was left open, it is what suits this machine's devices.

    The number is kept with the run, because it decides which weights one variable holds; so all machines of a cluster
    must take the same. It changes the result by rounding only. Where memory is short, fewer kernels are less graph. On
    a CPU it is 1 where the first cell's map of one edge is large, because repeating, joining and splitting the maps of
    several edges takes time, and 2 where maps are small or of few channels and a kernel's own cost counts. That several
    devices may share a batch is not considered.

    Args:
        config: the settings.
        image_shape: height, width and channels of the images; None for texts.

    Example:
        >>> suited(SearchConfig(recompute=True), (32, 32, 3)).edges_at_once
        0
    """
    if config.edges_at_once is not None or not spaces.get(config.space).divides_edges:
        return config
    few_kernels = config.recompute or config.jit_compile or config.strategy in ("tpu", "multi_worker")
    if few_kernels or tf.config.list_physical_devices("GPU"):
        return dataclasses.replace(config, edges_at_once=0)
    return dataclasses.replace(config, edges_at_once=1 if _has_large_maps(config.completed(), image_shape) else 2)


def _has_large_maps(config, image_shape):
    """Whether the first cell's map of one edge is large, and not of so few channels that they do not fill a vector."""
    channels = config.channels // parse_method(config).channel_divisor
    examples = config.batch_size // config.accumulate_steps
    height, width, _ = image_shape
    size = tf.as_dtype(config.precision).size
    return channels >= 8 and examples * height * width * channels * size > _LARGE_MAP_BYTES


def suit_texts() -> None:
    """Leaves threads and graph optimizer as they are: a recurrent cell is a chain of products that all threads share.

    Switches the optimizer on where a supernet of images was trained before in this process: without it the gradients
    of a loop over a text differ from run to run in their last digits.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
