"""What TensorFlow remembers of the Python stack with every operation of a graph."""

import contextlib
import functools
import sys

import tensorflow as tf

try:
    from tensorflow.python.util.tf_stack import StackTraceFilter
except ImportError:  # There is no public switch. Where this one is gone, a search only takes more memory.
    StackTraceFilter = contextlib.nullcontext

_LIBRARIES = "tensorflow.", "keras.", "sdarts_tf.training."
# TensorFlow leaves out the three innermost frames of what is left, which are its own as long as these are there.
_KEPT = "tensorflow.python.util.tf_stack", "tensorflow.python.framework.ops"


def without_library_frames(function):
    """`function`, with stacks of its operations that leave out the frames of TensorFlow, Keras and `training`.

    A stack of fifty frames takes 11 kB, more than all else of an operation, and a supernet has tens of thousands of
    them. What stays is what the message of an error is read for: layers, spaces, and files of others; and TensorFlow's
    innermost frame.

    AutoGraph does not convert the function, nor what it calls: frames that it has mapped would stay, and it takes time.

    Example:
        >>> traced = tf.function(without_library_frames(lambda x: x + 1.0))
        >>> operation = traced.get_concrete_function(tf.TensorSpec([])).graph.get_operations()[-2]
        >>> any("tensorflow" in frame.filename for frame in list(operation.traceback)[:-1])
        False
    """

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def traced(*args, **kwargs):
        with _OwnFrames():
            return function(*args, **kwargs)

    return traced


class _OwnFrames(StackTraceFilter):
    def get_filtered_filenames(self):
        modules = list(sys.modules.items())  # at once, because another thread may import
        files = {
            getattr(module, "__file__", None)
            for name, module in modules
            if name.startswith(_LIBRARIES) and name not in _KEPT
        }
        return files - {None}
