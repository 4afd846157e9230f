import builtins
import importlib

import pytest
import tensorflow as tf

from sdarts_tf.config import SearchConfig
from sdarts_tf.training import frames
from sdarts_tf.training.replicas import mean_over_replicas, per_replica
from sdarts_tf.training.search_step import build_step


def files_of(operation):
    return [frame.filename for frame in operation.traceback]


def test_operations_of_a_search_step_remember_layers_and_not_libraries():
    step = build_step(SearchConfig(space="s2", channels=2, cells=3), num_classes=3)
    batch = tf.zeros([2, 8, 8, 3]), tf.constant([0, 1])
    arguments = batch, batch, tf.constant(0.1), tf.constant(0.3), tf.constant([0, 0])
    operations = tf.function(step).get_concrete_function(*arguments).graph.get_operations()
    kinds = {o.type: files_of(o) for o in operations}
    for kind in ("FusedBatchNorm", "Conv2D"):
        assert any("sdarts_tf/layers/" in file for file in kinds[kind])
    for kind in ("FusedBatchNorm", "FusedBatchNormGrad", "Conv2D", "Conv2DBackpropFilter", "ResourceApplyMomentum"):
        # The innermost frame stays.
        assert not any("/tensorflow/" in file or "/keras/" in file for file in kinds[kind][:-1])


def test_replicas_forget_the_libraries_too(two_replicas):
    with two_replicas.scope():
        batch = per_replica(tf.constant([1.0, 3.0]))
        mean = tf.function(lambda batch: mean_over_replicas(lambda x: tf.reduce_sum(tf.sin(x)), (batch,)))
        operations = mean.get_concrete_function(batch).graph.get_operations()
    kinds = {o.type: files_of(o) for o in operations}
    for kind in ("Sin", "SplitV"):  # of the function, and of what sends its values
        assert not any("/tensorflow/" in file for file in kinds[kind][:-1])


def test_an_error_names_the_callers_file():
    def fail(x):
        return tf.debugging.check_numerics(x, "a number of mine")

    traced = tf.function(frames.without_library_frames(fail))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)frames_test\.py.*a number of mine"):
        traced(tf.constant(float("nan")))


def test_autograph_leaves_the_function_alone():
    def branch(x):
        return x if x > 0 else -x

    assert float(tf.function(branch)(tf.constant(-2.0))) == 2.0
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        tf.function(frames.without_library_frames(branch))(tf.constant(-2.0))


def test_without_tensorflows_filter_all_frames_stay(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "tensorflow.python.util.tf_stack":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    try:
        importlib.reload(frames)
    finally:
        monkeypatch.undo()
    try:
        traced = tf.function(frames.without_library_frames(lambda x: x * 2.0))
        assert float(traced(tf.constant(3.0))) == 6.0
        stack = files_of(traced.get_concrete_function(tf.TensorSpec([])).graph.get_operations()[-1])
        assert any("/tensorflow/" in file for file in stack)
    finally:
        importlib.reload(frames)
