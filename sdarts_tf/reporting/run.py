"""What the folder of a run holds, as plain data. Imports no TensorFlow."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.training import trained_files

ANALYSIS = "analysis/analysis.json"


@dataclasses.dataclass(frozen=True)
class Records:
    """What a search or a training writes while it runs.

    Args:
        config: its settings, as they were saved.
        metrics: one record of figures for each finished epoch, ascending.
        genotype: the found, or so far strongest, or trained cells; None before the first of them.
        epoch: the epoch of `genotype`; None where it is the final one.
    """

    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    genotype: Genotype | None
    epoch: int | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, with None or nothing for what its folder does not hold.

    Args:
        path: the folder.
        label: what it is called beside others.
        search: the search.
        shares: group of alpha -> shares `[epochs, rows, candidates]`.
        share_epochs: the epochs of `shares`.
        analysis: what `sdarts_tf.analyze` found.
        training: the training of a derived network.
        result: the figures of its test.
        evaluation: what `sdarts_tf.evaluate` found.
    """

    path: pathlib.Path
    label: str
    search: Records | None
    shares: dict[str, np.ndarray]
    share_epochs: tuple[int, ...]
    analysis: dict[str, Any] | None
    training: Records | None
    result: dict[str, Any] | None
    evaluation: dict[str, Any] | None


def read(run_dirs: Sequence[str]) -> list[Run]:
    """Reads runs, finished or not.

    Args:
        run_dirs: their folders.

    Returns:
        The runs, in the same order, called by the last part of their folders where that tells them apart.

    Raises:
        InputError: a folder holds neither a search nor a training, or one of its files is damaged.
    """
    names = [pathlib.Path(name).absolute().name for name in run_dirs]
    labels = names if len(set(names)) == len(names) else run_dirs
    return [_read(pathlib.Path(path), label) for path, label in zip(run_dirs, labels, strict=True)]


def _read(path, label):
    search, training = _search(path), _training(path / trained_files.FOLDER)
    if search is None and training is None:
        raise InputError(f"--run_dir={path} holds neither a search nor a training; name the folder of a run.")
    epochs, shares = _shares(path / "mixtures.jsonl")
    return Run(
        path=path,
        label=label,
        search=search,
        shares=shares,
        share_epochs=epochs,
        analysis=_json(path / ANALYSIS),
        training=training,
        result=_json(path / trained_files.FOLDER / "result.json"),
        evaluation=_json(path / trained_files.FOLDER / "evaluation.json"),
    )


def _search(path):
    config = _json(path / "config.json")
    if config is None:
        return None
    metrics = _lines(path / "metrics.jsonl")
    if (path / "genotype.json").exists():
        return Records(config, metrics, Genotype.load(path / "genotype.json"))
    found = _lines(path / "genotypes.jsonl")
    if not found:
        return Records(config, metrics, None)
    return Records(config, metrics, Genotype.from_dict(found[-1]), found[-1]["epoch"])


def _training(path):
    config = _json(path / "config.json")
    if config is None:
        return None
    return Records(config, _lines(path / "metrics.jsonl"), Genotype.load(path / "genotype.json"))


def _shares(path):
    lines = _lines(path)
    try:
        groups = {group: np.array([line["mixture"][group] for line in lines], float) for group in _groups(lines)}
        if any(shares.ndim != 3 for shares in groups.values()):
            raise ValueError("shares are not a table for each epoch")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error
    return tuple(line["epoch"] for line in lines), groups


def _groups(lines):
    return list(lines[-1]["mixture"]) if lines else []


def _json(path) -> dict | None:
    """A JSON object; None where there is no such file."""
    text = _text(path)
    return None if text is None else _object(path, text)


def _lines(path) -> list[dict]:
    """The records of a file of one JSON object a line, each with its epoch; none where there is no such file."""
    lines = [_object(path, line) for line in (_text(path) or "").splitlines()]
    if not all(isinstance(line.get("epoch"), int) for line in lines):
        raise _damaged(path, "a line has no epoch")
    return lines


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise _damaged(path, error) from error


def _object(path, text):
    try:
        record = json.loads(text)
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(record, dict):
        raise _damaged(path, "not an object")
    return record


def _damaged(path, reason):
    return InputError(f"{path} is damaged ({reason}); mend it, or leave its run out.")
