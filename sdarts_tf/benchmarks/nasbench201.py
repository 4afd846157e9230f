"""NAS-Bench-201 as a compact table: one row for each architecture, in CSV or JSON.

The columns are `architecture`, `<dataset>_test` (after 200 epochs) and, if there, `<dataset>_valid_12ep` (after 12
epochs), in percent.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020.
"""

import csv
import json
import math

from sdarts_tf.benchmarks.benchmark import Benchmark, Record, add
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import nasbench201_cells

_TEST, _VALID = "_test", "_valid_12ep"


def read(path, dataset: str) -> Benchmark:
    """The benchmark in a file `.csv`, or `.json`: a list of objects, one for each row, with the columns as keys.

    Args:
        path: the file, a `pathlib.Path`.
        dataset: `cifar10`, `cifar100` or `imagenet16_120`, if the table has it.

    Raises:
        InputError: the file is no such table, or lacks the data set.
        OSError: the file cannot be opened.
    """
    rows = _rows(path)
    # A row that is longer than the header has a column None.
    known = [name.removesuffix(_TEST) for name in rows[0] if name and name.endswith(_TEST)]
    if "architecture" not in rows[0] or not known:
        raise InputError(
            f"{path} is no table of NAS-Bench-201; it needs the columns 'architecture' and '<data set>{_TEST}', for "
            f"example 'cifar10{_TEST}'."
        )
    if dataset not in known:
        raise InputError(
            f"{path} has no test accuracies of {dataset}; choose --benchmark_dataset from {', '.join(known)}."
        )
    records = {}
    for number, row in enumerate(rows, start=1):
        try:
            valid = row.get(dataset + _VALID)
            record = Record(_share(row[dataset + _TEST]), None if valid in (None, "") else _share(valid))
            add(records, _checked(row["architecture"]), record)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(f"Row {number} of {path} is damaged ({error}); get the table again.") from error
    return Benchmark(records, nasbench201_cells.architecture)


def _rows(path) -> list[dict]:
    """At least one."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if not text.strip():
        raise InputError(f"{path} is empty; get the table again.")
    read, form = (json.loads, "JSON") if path.suffix == ".json" else (_csv_rows, "CSV")
    try:
        rows = read(text)
    except (ValueError, csv.Error, RecursionError) as error:
        raise InputError(f"{path} is not {form} ({error}); name a table of NAS-Bench-201.") from error
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise InputError(f"{path} must hold a list of objects, one for each architecture.")
    if not rows:
        raise InputError(f"{path} has no architectures; get the table again.")
    return rows


def _csv_rows(text):
    return list(csv.DictReader(text.splitlines()))


def _share(percent):
    share = round(float(percent) / 100, 6)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{percent} is no percentage")
    return share


def _checked(name):
    if not isinstance(name, str):
        raise ValueError(f"the architecture is {name!r}")
    nasbench201_cells.parse(name)
    return name
