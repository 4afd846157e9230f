"""Runs the tests of this folder on every golden file of `--golden-dir`.

A test that has an argument `golden` gets the path of each file that matches its module's `PATTERN`, or one of several
patterns, in turn; it is skipped when no file does. What a file holds is told by its keys, so that other folders of the
same form run too. The fixture `case` reads the file and compares by the tolerances that it gives.
"""

import collections
import dataclasses
import functools
import types

import numpy as np
import pytest

from sdarts_tf import spaces


class Case:
    """One golden file.

    Args:
        path: the file; other files that it refers to lie beside it.
        report: called with the key, the largest difference and the allowed one of every comparison.
    """

    def __init__(self, path, report=lambda *comparison: None):
        self._path, self._report = path, report
        with np.load(path, allow_pickle=False) as archive:
            self._arrays = dict(archive)
        keys = self._arrays.get("tolerance/keys", [])
        self._allowed = dict(zip(keys, self._arrays.get("tolerance/allowed_difference", []), strict=True))

    def __contains__(self, key):
        return key in self._arrays

    def __getitem__(self, key):
        array = self._arrays[key]
        return array if array.ndim else array.item()

    def keys(self, prefix):
        """The keys that start with `prefix`."""
        return [key for key in self._arrays if key.startswith(prefix)]

    def group(self, prefix):
        """The arrays under `prefix/`, by the rest of their key."""
        return {key[len(prefix) + 1 :]: self[key] for key in self.keys(prefix + "/")}

    def packed(self, prefix):
        """The arrays packed as `prefix/names`, `/sizes`, `/values`, flat, by name."""
        ends = np.cumsum(self[f"{prefix}/sizes"])[:-1]
        return dict(zip(self[f"{prefix}/names"].tolist(), np.split(self[f"{prefix}/values"], ends), strict=True))

    @functools.cached_property
    def state(self):
        """The official state dict from which everything starts."""
        return self._origin.group("state")

    @functools.cached_property
    def alpha(self):
        """Group -> alpha at the start."""
        return self.group("alpha") or self._origin.group("alpha")

    @functools.cached_property
    def _origin(self):
        return Case(self._path.parent / self["state_from"]) if "state_from" in self else self

    def check(self, key, value, *, golden=None, allowed=None):
        """Asserts that `value` equals the array `key` within its tolerance; `golden` may be a part of that array."""
        golden = self[key] if golden is None else golden
        allowed = self._allowed[key] if allowed is None else allowed
        difference = float(np.max(np.abs(np.asarray(value, np.float64) - golden)))
        self._report(key, difference, float(allowed))
        assert difference <= allowed, f"{self._path.name} {key}: differs by {difference:.3g}, allowed is {allowed:.3g}"

    def check_training(self, model, gradients, prefix="train"):
        """Compares the gradients of a model's weights, and its running statistics after one training pass, if any."""
        from sdarts_tf.interop import torch_state

        known = {id(variable): value for variable, value in zip(model.trainable_variables, gradients, strict=True)}
        by_name, statistics = {}, {}
        for entry in torch_state.entries(model):
            if id(entry.variable) in known:
                # Of tied tensors the official code lists the first.
                by_name |= dataclasses.replace(entry, copies=()).split(known[id(entry.variable)].numpy())
            else:
                statistics |= entry.split(entry.variable.numpy())
        for key in self.keys(f"{prefix}/grad/"):
            self.check(key, by_name[key.removeprefix(f"{prefix}/grad/")])
        names = self[f"{prefix}/grad_norm/names"].tolist()
        assert set(names) == set(by_name)
        self.check(f"{prefix}/grad_norm/values", [np.linalg.norm(by_name[name]) for name in names])
        golden = self.packed(f"{prefix}/bn_after") if statistics else {}
        assert set(golden) == set(statistics)
        if golden:
            values = np.concatenate([statistics[name].ravel() for name in golden])
            self.check(f"{prefix}/bn_after/values", values)

    def agrees(self, key, value):
        """Whether `value` equals the array `key` within its tolerance."""
        return np.max(np.abs(np.asarray(value, np.float64) - self[key])) <= self._allowed[key]


def pytest_generate_tests(metafunc):
    if "golden" in metafunc.fixturenames:
        patterns = metafunc.module.PATTERN
        patterns = (patterns,) if isinstance(patterns, str) else patterns
        folder = metafunc.config.getoption("golden_dir")
        paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
        paths = [path for path in paths if _is_supported(path)]
        metafunc.parametrize("golden", paths, ids=[path.stem for path in paths])


def _is_supported(path):
    """Whether the file is of a search space that the package has, or of none."""
    if path.suffix != ".npz":
        return True
    with np.load(path, allow_pickle=False) as archive:
        space = archive["config/space"].item() if "config/space" in archive else None
        return space is None or space in spaces.NAMES


@pytest.fixture
def case(golden, request):
    """The golden file of this test; its comparisons are listed at the end of the run."""
    family = request.module.__name__.rpartition(".")[2].removesuffix("_test")

    def report(*comparison):
        request.node.user_properties.append(("golden", (family, *comparison)))

    return Case(golden, report)


def pytest_terminal_summary(terminalreporter):
    """Lists for every family the number of cases and of comparisons, and the largest difference."""
    cases, families = collections.Counter(), collections.defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            comparisons = [value for name, value in getattr(report, "user_properties", []) if name == "golden"]
            for family, key, difference, allowed in comparisons:
                families[family].append((difference / allowed if allowed else difference, difference, allowed, key))
            cases.update({comparison[0] for comparison in comparisons})
    if families:
        terminalreporter.section("golden numbers")
    for family, comparisons in sorted(families.items()):
        share, difference, allowed, key = max(comparisons)
        terminalreporter.line(
            f"{family}: {cases[family]} cases, {len(comparisons)} comparisons; nearest to its limit "
            f"{difference:.2g} of {allowed:.2g} ({share:.0%}), {key}"
        )


@pytest.fixture
def supernet(case):
    """The supernet of the case with its official state; a noise operation replays the recorded draws."""
    from sdarts_tf.interop import torch_state

    space = spaces.get(case["config/space"], official=True)
    # As a search at the official sizes is on a CPU; the tests of the package's own have all edges at once.
    options = {"edges_at_once": 1} if space.divides_edges else {}
    model = space.build_supernet(case["config/classes"], case["config/channels"], case["config/cells"], **options)
    torch_state.assign(model, case.state)
    if "config/noise_seed" in case:
        _replay_noise(model, case["config/noise_seed"])
    return model


def _replay_noise(model, noise_seed):
    """Official draw k is number k in the order cell, edge, candidate."""
    from sdarts_tf.layers.operations import Noise

    number = 0
    for cell in model.cells:
        noises = {
            row: operation
            for mixed in cell.mixed
            for operation, places in zip(mixed.operations, mixed.places, strict=True)
            if isinstance(operation, Noise)
            for row, _ in places
        }
        numbers = collections.defaultdict(list)
        for row in sorted(noises):
            numbers[noises[row]].append(number)
            number += 1
        for operation, own in numbers.items():
            operation.draw = functools.partial(_recorded, [noise_seed + k for k in own])


def _recorded(seeds, shape, seed):
    import tensorflow as tf

    *size, channels = tf.get_static_value(shape).tolist()
    batch, height, width = size
    official = (batch, channels // len(seeds), height, width)
    draws = [np.random.RandomState(s).standard_normal(official).transpose(0, 2, 3, 1) for s in seeds]
    return tf.constant(np.concatenate(draws, axis=-1), tf.float32)


@pytest.fixture
def float64(monkeypatch):
    """Layers made in the test compute in float64, to tell rounding from mistakes.

    The fused kernel of batch normalization has no float64 form, so its definition takes its place; that of float32
    fails, so that no layer computes in float32 unnoticed.
    """
    import keras
    import tensorflow as tf

    def fused(*, x, scale, offset, mean, variance, epsilon, exponential_avg_factor, is_training):
        batch_mean, batch_variance = mean, variance
        if is_training:
            # Not tf.nn.moments, whose second derivative is wrong.
            center = tf.reduce_mean(x, [0, 1, 2])
            spread = tf.reduce_mean((x - center) ** 2, [0, 1, 2])
            count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
            batch_mean = mean + exponential_avg_factor * (center - mean)
            batch_variance = variance + exponential_avg_factor * (spread * count / (count - 1) - variance)
        else:
            center, spread = mean, variance
        y = (x - center) * tf.math.rsqrt(spread + epsilon) * scale + offset
        return types.SimpleNamespace(y=y, batch_mean=batch_mean, batch_variance=batch_variance)

    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", fused)
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNorm", None)
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    # Keras keeps the policy of the first layer that was ever made.
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)
