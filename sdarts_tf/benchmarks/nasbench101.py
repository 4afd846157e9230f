"""NAS-Bench-101 for the spaces of NAS-Bench-1Shot1: the official records, or a table of hashes.

The official file `nasbench_only108.tfrecord` (or `nasbench_full.tfrecord`) holds a JSON list for each training: hash,
epochs, the adjacency matrix as digits, operations with commas between them, and measurements as a protocol buffer in
base 64. Of each module the trainings over 108 epochs are averaged, usually three.

A table `.csv` or `.csv.gz` has the columns `hash` and `valid_accuracy_108ep`, `test_accuracy_108ep` or both, 0 to 1.

Of both files only the modules count that are cells of the space, so that the best is the best of the space.

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

from sdarts_tf.benchmarks.benchmark import Benchmark, Record, add
from sdarts_tf.data.records import contents
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import nasbench1shot1_cells

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
    read_records = _official if path.suffix == ".tfrecord" else _table
    records = read_records(path, nasbench1shot1_cells.architectures(space))
    if not records:
        raise InputError(f"{path} has no module of the space {space}; name another file.")
    return Benchmark(records, nasbench1shot1_cells.architecture)


def _table(path, names) -> dict[str, Record]:
    """The records of the `names`; a damaged row is refused, whichever module it is of."""
    records, passed, has_test = {}, 0, None
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            _check_columns(path, rows.fieldnames)
            for row in rows:
                record = _record(row)
                has_test = record.test_accuracy is not None if has_test is None else has_test
                if (record.test_accuracy is not None) != has_test:
                    raise ValueError(f"'{_TEST}' must be there in all rows or in none")
                if row["hash"] in names:
                    add(records, row["hash"], record)
                passed += 1
    except InputError:
        raise
    except (EOFError, ValueError, csv.Error, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"Row {passed + 1} of {path} is damaged ({error}); get the table again.") from error
    return records


def _check_columns(path, columns):
    if columns is None:
        raise InputError(f"{path} is empty; get the table again.")
    if "hash" not in columns or not {_TEST, _VALID} & set(columns):
        raise InputError(
            f"{path} is no table of NAS-Bench-101; it needs the columns 'hash' and '{_TEST}' or '{_VALID}'."
        )


def _record(row) -> Record:
    test, valid = (_share(row[name]) if row.get(name) else None for name in (_TEST, _VALID))
    if (test is None and valid is None) or not re.fullmatch("[0-9a-f]{32}", row["hash"] or ""):
        raise ValueError("it needs a hash and an accuracy")
    return Record(test, valid)


def _share(text):
    share = round(float(text), 6)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{text} is no share")
    return share


def _official(path, names) -> dict[str, Record]:
    """The records of the `names`, the repeats of each averaged; what is of other modules is not looked at."""
    found: dict[str, list[tuple[float, float]]] = {}
    passed = 0
    try:
        for _, text in contents(path):
            name, epochs, _, _, metrics = json.loads(text)
            if epochs == _EPOCHS and name in names:
                found.setdefault(name, []).append(_accuracies(metrics))
            passed += 1
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"Record {passed + 1} of {path} is damaged ({error}); get the file again.") from error
    return {
        name: Record(*(round(statistics.fmean(values), 6) for values in zip(*repeats, strict=True)))
        for name, repeats in found.items()
    }


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
