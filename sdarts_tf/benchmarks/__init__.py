"""NAS benchmarks: the accuracies that networks of a space reached when they were trained. Imports no TensorFlow."""

import functools
import os
import pathlib

from sdarts_tf.benchmarks import nasbench101, nasbench201
from sdarts_tf.benchmarks.benchmark import Benchmark, Record
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import nasbench1shot1_cells, nasbench201_cells

__all__ = ["Benchmark", "Record", "load"]


def load(path, space: str, dataset: str) -> Benchmark:
    """The benchmark of a space that lies in a file.

    Args:
        path: the file; `~` is the home folder.
        space: name of the search space.
        dataset: name of the data set whose accuracies are wanted.

    Raises:
        InputError: there is no benchmark of the space, the file cannot be read, or it lacks the data set.
    """
    if space not in _READERS:
        raise InputError(f"--benchmark={path} cannot be of the space {space}; benchmarks are of {', '.join(_READERS)}.")
    try:
        return _READERS[space](pathlib.Path(os.path.expanduser(path)), dataset)
    except OSError as error:
        raise InputError(f"--benchmark={path} cannot be read ({error.strerror}); name a benchmark's file.") from error


_READERS = {
    nasbench201_cells.SPACE: nasbench201.read,
    **{space: functools.partial(nasbench101.read, space=space) for space in nasbench1shot1_cells.TABLES},
}
