"""NAS-Bench-101 for the spaces of NAS-Bench-1Shot1: the official records, or a table of hashes.

The official file `nasbench_only108.tfrecord` (or `nasbench_full.tfrecord`) holds a JSON list for each training: hash,
epochs, the adjacency matrix as digits, operations with commas between them, and measurements as a protocol buffer in
base 64. Of each module the trainings over 108 epochs are averaged, usually three. Modules that are in no cell of the
space are passed over, so that the best is the best of the space.

A table `.csv` or `.csv.gz` has the columns `hash` and `valid_accuracy_108ep`, `test_accuracy_108ep` or both, 0 to 1.
A hash does not tell which space it is in, so there the best is the best of the table.

Source: Ying et al., "NAS-Bench-101", ICML 2019; `nasbench/lib/model_metrics.proto` of its repository.
"""

import base64
import csv
import functools
import gzip
import json
import math
import re
import statistics
import zlib

from sdarts_tf.benchmarks.benchmark import Benchmark, Record
from sdarts_tf.data.records import contents
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import nasbench1shot1_cells
from sdarts_tf.spaces.nasbench101 import Module

_EPOCHS = 108
_TEST, _VALID = "test_accuracy_108ep", "valid_accuracy_108ep"
_DATASET = "cifar10"


def read(path, dataset: str, *, space: str) -> Benchmark:
    """The benchmark in a file, as a space sees it.

    Args:
        path: the file, a `pathlib.Path`; `.tfrecord`, `.csv` or `.csv.gz`.
        dataset: `cifar10`, the only one of this benchmark.
        space: `nasbench1shot1_1`, `_2` or `_3`.

    Raises:
        InputError: the file is no such file, or is damaged, or has no module of the space.
        OSError: the file cannot be opened.
    """
    if dataset != _DATASET:
        raise InputError(f"NAS-Bench-101 has no accuracies on {dataset}; add --benchmark_dataset={_DATASET}.")
    records = _official(path, space) if path.suffix == ".tfrecord" else _table(path)
    if not records:
        raise InputError(f"{path} has no module of the space {space}; name another file.")
    return Benchmark(records, nasbench1shot1_cells.architecture)


def _table(path) -> dict[str, Record]:
    opened = gzip.open if path.suffix == ".gz" else open
    records = {}
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        try:
            columns = set(rows.fieldnames or ())
            if "hash" not in columns or not columns & {_TEST, _VALID}:
                raise InputError(
                    f"{path} is no table of NAS-Bench-101; it needs the columns 'hash' and '{_TEST}' or '{_VALID}'."
                )
            for row in rows:
                test, valid = (_share(row[name]) if row.get(name) else None for name in (_TEST, _VALID))
                if (test is None and valid is None) or not re.fullmatch("[0-9a-f]{32}", row["hash"] or ""):
                    raise ValueError("it needs a hash and an accuracy")
                if (test is None) != (next(iter(records.values())).test_accuracy is None if records else test is None):
                    raise ValueError(f"'{_TEST}' must be there in all rows or in none")
                records[row["hash"]] = Record(test, valid)
        except (EOFError, ValueError, csv.Error, gzip.BadGzipFile, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"Row {len(records) + 1} of {path} is damaged ({error}); get the table again.") from error
    return records


def _share(text):
    share = round(float(text), 6)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{text} is no share")
    return share


def _official(path, space) -> dict[str, Record]:
    found: dict[str, list[tuple[float, float]]] = {}
    passed = 0
    try:
        for _, text in contents(path):
            name, epochs, adjacency, operations, metrics = json.loads(text)
            if epochs == _EPOCHS and _in_space(space, adjacency, operations):
                found.setdefault(name, []).append(_accuracies(metrics))
            passed += 1
    except (InputError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"Record {passed + 1} of {path} is damaged ({error}); get the file again.") from error
    return {
        name: Record(*(round(statistics.fmean(values), 6) for values in zip(*repeats, strict=True)))
        for name, repeats in found.items()
    }


@functools.lru_cache(maxsize=4096)  # for repeats of a module that follow one another
def _in_space(space, adjacency, operations):
    """Whether a module, as a record writes it, is in a space."""
    size = math.isqrt(len(adjacency))
    matrix = tuple(tuple(map(int, adjacency[row * size : (row + 1) * size])) for row in range(size))
    return nasbench1shot1_cells.contains(space, Module(matrix, tuple(operations.split(","))))


def _accuracies(metrics) -> tuple[float, float]:
    """Test and validation accuracy at the end of a training."""
    from google.protobuf.message import DecodeError

    message = _metrics_class()()
    try:
        message.ParseFromString(base64.b64decode(metrics))  # in lines: what is no digit is passed over
    except DecodeError as error:
        raise ValueError("its measurements are no protocol buffer") from error
    if not message.evaluation_data:
        raise ValueError("it has no measurements")
    last = message.evaluation_data[-1]
    return _share(last.test_accuracy), _share(last.validation_accuracy)


@functools.cache
def _metrics_class():
    """The protocol buffer of a training's measurements, as far as it is read here; other fields are skipped."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sdarts_tf/nasbench101.proto", package="sdarts_tf.nasbench101")
    evaluation = file.message_type.add(name="EvaluationData")
    for name, number in (("validation_accuracy", 4), ("test_accuracy", 5)):
        evaluation.field.add(name=name, number=number, type=types.TYPE_DOUBLE, label=types.LABEL_OPTIONAL)
    metrics = file.message_type.add(name="ModelMetrics")
    metrics.field.add(
        name="evaluation_data",
        number=1,
        type=types.TYPE_MESSAGE,
        label=types.LABEL_REPEATED,
        type_name=f".{file.package}.EvaluationData",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.ModelMetrics"))
