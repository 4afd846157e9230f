"""What a network costs: parameters, multiply-adds, seconds."""

import dataclasses
import os
import statistics
import time

import keras
import tensorflow as tf

# Environment variables that tell TensorFlow how many threads one operation has, and how many operations run at once.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Numbers that training moves; moving averages of batch normalization do not count.

    Args:
        network: of the network as it classifies.
        auxiliary_head: of the second classifier, which exists in training only; 0 without one.
    """

    network: int
    auxiliary_head: int


@dataclasses.dataclass(frozen=True)
class Latency:
    """Time from a batch of images to its logits.

    Args:
        batch_size: images in the batch.
        seconds: median over `runs` runs.
        runs: how often it was measured.
    """

    batch_size: int
    seconds: float
    runs: int


def count_parameters(network: keras.Model) -> Parameters:
    """Parameters of a derived network, those of the auxiliary head apart.

    Example:
        >>> from sdarts_tf import spaces
        >>> from sdarts_tf.genotypes import published
        >>> count_parameters(spaces.get("darts").build_network(published.get("DARTS_V2"), 10, 36, 20, auxiliary=True))
        Parameters(network=3349342, auxiliary_head=476426)
    """
    head = getattr(network, "auxiliary_head", None)
    in_head = 0 if head is None else _size(head.trainable_variables)
    return Parameters(network=_size(network.trainable_variables) - in_head, auxiliary_head=in_head)


def multiply_adds(network: keras.Model, image_shape: tuple[int, int, int]) -> int:
    """Multiplications, each with its addition, for the logits of one image.

    Counts convolutions and linear layers, as the literature does, by the shapes that the traced graph really has; not
    those inside functions that the graph calls, of which this package's layers have none.

    Args:
        network: called with images `[1, *image_shape]`.
        image_shape: height, width and channels.

    Example:
        >>> multiply_adds(keras.Sequential([keras.layers.Conv2D(4, 3, padding="same")]), (8, 8, 3))
        6912
    """
    graph = tf.function(network).get_concrete_function(tf.TensorSpec([1, *image_shape], tf.float32)).graph
    return sum(_MULTIPLY_ADDS[op.type](op) for op in graph.get_operations() if op.type in _MULTIPLY_ADDS)


def measure_latency(network: keras.Model, image_shape, batch_size: int, *, runs=20, seconds=10.0) -> Latency:
    """Median time of a forward pass on this machine, compiled to a graph and warmed up.

    Args:
        network: called with images `[batch_size, *image_shape]`.
        image_shape: height, width and channels.
        batch_size: images in the batch, at least 1.
        runs: how often it is measured at most.
        seconds: after which no further run starts; there are at least three.
    """
    images = tf.random.stateless_normal([batch_size, *image_shape], seed=(0, 0))
    forward = tf.function(network)
    for _ in range(2):  # the first call traces, the second finds memory and caches as later ones will
        forward(images)
    times, begin = [], time.perf_counter()
    while len(times) < 3 or (len(times) < runs and time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        forward(images).numpy()  # waits for the device
        times.append(time.perf_counter() - start)
    return Latency(batch_size, statistics.median(times), len(times))


def describe_device() -> str:
    """What `measure_latency` measures on: the kind of device and, on a CPU, the threads of one operation."""
    if gpus := tf.config.list_logical_devices("GPU"):
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return details.get("device_name", gpus[0].name)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get(THREADS[0], 0))
    threads = threads or usable_cores()
    return f"CPU, {threads} thread{'s' * (threads != 1)}"


def usable_cores() -> int:
    """Cores that this process may use, which are fewer than the machine's where it is bound to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(variables):
    return sum(variable.value.shape.num_elements() for variable in variables)


def _convolution(op):
    height, width, in_channels, _ = op.inputs[1].shape  # in_channels are those of one group
    return height * width * in_channels * op.outputs[0].shape.num_elements()


def _depthwise(op):
    height, width, _, _ = op.inputs[1].shape
    return height * width * op.outputs[0].shape.num_elements()


def _linear(op):
    shared = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
    return shared * op.outputs[0].shape.num_elements()


_MULTIPLY_ADDS = {"Conv2D": _convolution, "DepthwiseConv2dNative": _depthwise, "MatMul": _linear}
