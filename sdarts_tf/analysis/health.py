"""Is this installation sound? Each check says what it found; only those of devices import TensorFlow."""

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import shutil

import numpy as np
import psutil
from packaging.requirements import Requirement

from sdarts_tf.data.source import Source
from sdarts_tf.errors import InputError

OK, NOTE, BROKEN = "ok", "note", "broken"
# Packages that all own the module tensorflow: two of them overwrite each other's files.
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly", "tf-nightly-cpu", "tensorflow-macos")
_LITTLE_DISK, _LITTLE_MEMORY = 2e9, 2e9  # bytes


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        what: was looked at.
        status: `OK`; `NOTE`, which a user should know; or `BROKEN`, with which a search fails or its numbers are wrong.
        said: one or more sentences.
    """

    what: str
    status: str
    said: str


def python() -> Finding:
    """The interpreter."""
    return Finding("Python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def packages(distribution="sdarts_tf") -> Finding:
    """Whether what the package requires is installed, in versions that it allows."""
    try:
        required = [Requirement(line) for line in importlib.metadata.requires(distribution) or ()]
    except importlib.metadata.PackageNotFoundError:
        return Finding("packages", NOTE, "sdarts_tf is run from its source; requirements were not looked at")
    wrong, count = [], 0
    for requirement in required:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version or 'missing'}, {requirement.specifier} is needed")
    if wrong:
        return Finding("packages", BROKEN, f"{'; '.join(wrong)}; run pip install --upgrade sdarts_tf")
    return Finding("packages", OK, f"{count} required packages, keras {_version('keras')}, numpy {_version('numpy')}")


def tensorflow() -> Finding:
    """Which TensorFlow is installed, and whether it is the only one."""
    found = {name: _version(name) for name in _TENSORFLOWS if _version(name) is not None}
    named = " and ".join(f"{name} {version}" for name, version in found.items())
    if not found:
        return Finding("TensorFlow", BROKEN, "not installed; run pip install 'sdarts_tf[cpu]' or 'sdarts_tf[gpu]'")
    if len(found) > 1:
        remedy = f"pip uninstall -y {' '.join(found)}, then pip install 'sdarts_tf[cpu]' or 'sdarts_tf[gpu]'"
        return Finding("TensorFlow", BROKEN, f"{named} overwrite each other; run {remedy}")
    return Finding("TensorFlow", OK, named)


def disk(folder) -> Finding:
    """Free space where runs are written."""
    place, free = _existing(folder), free_bytes(folder)
    if not place.is_dir():
        return Finding("disk", BROKEN, f"{place} is a file, so that nothing can be written to {folder}")
    writable = os.access(place, os.W_OK)
    said = f"{free / 1e9:.1f} GB free in {place}" + ("" if writable else ", which may not be written")
    return Finding("disk", BROKEN if not writable else OK if free > _LITTLE_DISK else NOTE, said)


def free_bytes(folder) -> int:
    """Free bytes of the disk on which a folder lies or would lie."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder):
    """The folder, or what of the path to it is there."""
    path = pathlib.Path(folder).expanduser().absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def memory() -> Finding:
    """Free memory, and how busy the processor is."""
    free, cores = psutil.virtual_memory().available, os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    said = f"{free / 1e9:.1f} GB free"
    if busy > cores:
        said += f"; {busy:.0f} processes compete for {cores} cores, so that everything takes longer"
    return Finding("memory", OK if free > _LITTLE_MEMORY and busy <= cores else NOTE, said)


def data(source: Source, data_dir, max_examples=None) -> Finding:
    """Whether the data set of a search can be read."""
    try:
        counts = {s: len(source.load(s, data_dir, max_examples if s == "train" else None)) for s in source.splits}
    except InputError as error:
        return Finding("data", BROKEN, str(error))
    sizes = ", ".join(f"{count:,} for {split}" for split, count in counts.items())
    return Finding("data", OK, f"{source.name}: {sizes}, {source.num_classes} classes; --check_data looks closer")


def devices() -> Finding:
    """What TensorFlow computes on."""
    import tensorflow as tf

    from sdarts_tf.analysis import cost

    gpus, built = tf.config.list_physical_devices("GPU"), tf.test.is_built_with_cuda()
    if built and not gpus:
        return Finding(
            "devices", NOTE, "this TensorFlow is built for GPUs and finds none; TF_CPP_MIN_LOG_LEVEL=0 shows why"
        )
    if not gpus and os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return Finding("devices", NOTE, "CPU, slow without oneDNN, which TF_ENABLE_ONEDNN_OPTS=0 switches off")
    said = f"{len(gpus)} x {cost.describe_device()}" if gpus else f"CPU, {cost.usable_cores()} cores"
    return Finding("devices", OK, said)


def arithmetic() -> Finding:
    """Whether a convolution on the device gives NumPy's numbers."""
    import tensorflow as tf

    random = np.random.RandomState(0)
    x, kernel = random.standard_normal((2, 8, 8, 3)), random.standard_normal((3, 3, 3, 4))
    with tf.device("/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"):
        computed = tf.nn.conv2d(tf.constant(x, tf.float32), tf.constant(kernel, tf.float32), 1, "VALID").numpy()
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    error = np.abs(computed - np.einsum("nhwcij,ijco->nhwo", windows, kernel)).max()
    # TensorFloat-32, which GPUs use for convolutions, has ten bits.
    return Finding("arithmetic", OK if error < 0.05 else BROKEN, f"a convolution is off by {error:.1e}")


def determinism() -> Finding:
    """Whether the same step from the same start gives the same weights and alpha, bit for bit."""
    import tensorflow as tf

    from sdarts_tf.config import SearchConfig
    from sdarts_tf.training.search_step import build_step

    step = build_step(SearchConfig(method="adv", space="s2", channels=2, cells=3, pgd_steps=1), num_classes=3)
    variables = [variable.value for variable in step.supernet.variables] + list(step.architecture.alpha.values())
    images = tf.random.stateless_normal([4, 8, 8, 3], (0, 0))
    batch = images, tf.constant([0, 1, 2, 0])
    function, start = tf.function(step), [variable.numpy() for variable in variables]
    results = []
    for _ in range(2):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        for state in (step.weight_optimizer.state, step.alpha_optimizer.state):
            for variable in tf.nest.flatten(state):
                variable.assign(tf.zeros_like(variable))
        function(batch, batch, tf.constant(0.025), tf.constant(0.3), tf.constant([0, 1]))
        results.append([variable.numpy() for variable in variables])
    moved = any((a != b).any() for a, b in zip(start, results[0], strict=True))
    same = all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    said = "one step of the attack, twice: " + ("the same numbers, bit for bit" if same else "different numbers")
    return Finding("determinism", OK if same and moved else BROKEN, said if moved else "a step moves nothing")


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
