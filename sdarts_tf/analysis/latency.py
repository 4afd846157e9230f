"""Latencies on the user's device, measured in a process of its own and kept.

On a CPU it is the latency of one thread, and the time that this thread works, not the time that passes: so it does not
count when other programs have the core, though it does count that they use the caches; and what the operations of a
network take adds up. A search gives TensorFlow other threads, so the process that measures is another one. Answers are
kept in the user's cache, by what was asked and by the device.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.analysis import cost
from sdarts_tf.errors import RunError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers import operations
from sdarts_tf.spaces import plugins

_REPEATED = 10  # times that an operation is applied in one run
_ROUNDS, _RUNS, _ROUND_SECONDS = 10, 20, 1.0  # a round takes at least that long
_VERSION = 2  # of how it is measured: tables of other versions are not used again
_MAIN = "from sdarts_tf.analysis import latency; latency.answer()"


def key(operation: str, channels: int, height: int, width: int, stride: int) -> str:
    """The name of an operation at a shape in the table.

    Example:
        >>> key("sep_conv_3x3", 16, 32, 32, 1)
        'sep_conv_3x3 16x32x32 stride 1'
    """
    return f"{operation} {channels}x{height}x{width} stride {stride}"


def measure(request: dict, *, plugin=None, fresh: bool = False) -> dict:
    """Asks a process of its own.

    Args:
        request: `operations`, a list of the arguments of `key`; `networks`, a list of genotypes as dictionaries;
            `space`, `channels`, `cells`, `image_shape`, `num_classes` of the networks.
        plugin: path of the plugin that defines operations or the space, if one does.
        fresh: whether an answer that was kept counts for nothing.

    Returns:
        `operations`: key -> milliseconds for one image; `networks`: milliseconds of each; `device`.

    Raises:
        RunError: the process failed.
    """
    plugin = None if plugin is None else str(pathlib.Path(plugin).absolute())
    path = _cache(request, plugin)
    if not fresh and (known := _kept(path)) is not None:
        return known
    question = json.dumps({**request, "plugin": plugin})
    command = [sys.executable, "-c", _MAIN]
    # A sweep gives each search a share of the threads; what is measured must not depend on it.
    environment = {name: value for name, value in os.environ.items() if name not in cost.THREADS}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, input=question, capture_output=True, text=True, env=environment)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        lines = done.stderr.strip().splitlines()
        raise RunError(f"The latency could not be measured ({lines[-1] if lines else done.returncode}).") from error
    _keep(path, answer)
    return answer


def _kept(path):
    """The answer that was kept; None where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _keep(path, answer):
    """Keeps an answer, where that is possible: the run has it anyway."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(answer), encoding="utf-8")
        os.replace(temporary, path)


def answer() -> None:
    """Reads a request from standard input, measures, and prints the answer: the other process of `measure`."""
    request = json.loads(sys.stdin.read())
    if not tf.config.list_physical_devices("GPU"):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if request["plugin"] is not None:
        plugins.load(request["plugin"])
    shapes = {key(*operation): operation for operation in request["operations"]}
    calls = [call for shape in shapes.values() for call in _operation_calls(*shape)]
    calls += [_network_call(Genotype.from_dict(record), request) for record in request["networks"]]
    seconds = _seconds(calls)
    found = {name: _milliseconds(*seconds[2 * n : 2 * n + 2]) for n, name in enumerate(shapes)}
    networks = [1000 * each for each in seconds[2 * len(shapes) :]]
    print(json.dumps({"operations": found, "networks": networks, "device": cost.describe_device()}))


def operation_milliseconds(operation: str, channels: int, height: int, width: int, stride: int) -> float:
    """Milliseconds of an operation of a derived network on one image, measured in this process with its threads.

    Args:
        operation: its name.
        channels, height, width: of its input.
        stride: 1 or 2.
    """
    return _milliseconds(*_seconds(_operation_calls(operation, channels, height, width, stride)))


def _operation_calls(operation, channels, height, width, stride):
    """Functions that apply an operation ten times and once: their difference is free of what calling takes."""
    layers = [operations.build(operation, channels, stride=stride, affine=True) for _ in range(_REPEATED)]
    if isinstance(layers[0], operations.Zero | operations.Identity):
        return [lambda: None] * 2
    # Ten images: of one and the same, a graph would compute a pool only once.
    x = tf.random.stateless_normal([_REPEATED, height, width, channels], (0, 0))
    return [_call(tf.function(_applied), x, applied) for applied in (layers, layers[:1])]


def _applied(x, layers):
    """Each layer on an image of its own; a number of each result, so that none is left out."""
    images = tf.split(x, _REPEATED)[: len(layers)]
    return tf.add_n([layer(image)[0, 0, 0, 0] for layer, image in zip(layers, images, strict=True)])


def _milliseconds(ten, one):
    return max(0.0, 1000 * (ten - one) / (_REPEATED - 1))


def _network_call(genotype, request):
    height, width, channels = request["image_shape"]
    options = {"image_channels": channels}
    if min(height, width) >= 128:
        options["large_images"] = True
    space = spaces.get(request["space"])
    network = space.build_network(genotype, request["num_classes"], request["channels"], request["cells"], **options)
    return _call(tf.function(network), tf.random.stateless_normal([1, height, width, channels], (0, 0)))


def _call(function, *args):
    return lambda: function(*args).numpy()  # waits for the device


def _seconds(calls):
    """Of each call: the least of its medians in several rounds, all calls in turn.

    Whatever else the machine does can only add, often for seconds: so the rounds of a call lie apart.
    """
    clock = time.perf_counter if tf.config.list_physical_devices("GPU") else time.process_time
    for call in [*calls, *calls]:  # the first time traces, the second finds memory
        call()
    medians = []
    for _ in range(_ROUNDS):
        began = time.monotonic()
        medians.append([_median(call, clock) for call in calls])
        time.sleep(max(0.0, _ROUND_SECONDS - (time.monotonic() - began)))
    return np.min(medians, axis=0).tolist()


def _median(call, clock):
    times = []
    for _ in range(_RUNS):
        began = clock()
        call()
        times.append(clock() - began)
    return statistics.median(times)


def _cache(request, plugin):
    """Where the answer is kept: in `$SDARTS_TF_CACHE`, or in the user's cache folder."""
    root = os.environ.get("SDARTS_TF_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "sdarts_tf"
    )
    device = [_VERSION, platform.node(), platform.processor(), cost.usable_cores(), tf.__version__]
    device += [str(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    text = None if plugin is None else plugins.read(plugin)
    name = hashlib.sha256(json.dumps([request, device, text], sort_keys=True).encode()).hexdigest()[:24]
    return pathlib.Path(root).expanduser() / "latency" / f"{name}.json"
