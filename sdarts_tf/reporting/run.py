"""What the folder of a run holds, as plain data. Imports no TensorFlow and runs no plugin."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdarts_tf import spaces
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.training import trained_files

ANALYSIS = "analysis/analysis.json"
CANDIDATES = "candidates.json"  # of a run whose space a plugin has made
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


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
        rows: group of alpha -> label and candidates of each row, where the space names them.
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
    rows: dict[str, list[tuple[str, tuple[str, ...]]]]
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
    return [_read(pathlib.Path(path), printable(label)) for path, label in zip(run_dirs, labels, strict=True)]


def printable(text: str) -> str:
    """A text without the characters that XML and HTML cannot hold.

    Example:
        >>> printable("a\\x00b") == "a\N{REPLACEMENT CHARACTER}b"
        True
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


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
        rows=_rows(path, search) if shares else {},
        analysis=_analysis(path / ANALYSIS),
        training=training,
        result=_json(path / trained_files.FOLDER / "result.json"),
        evaluation=_json(path / trained_files.FOLDER / "evaluation.json"),
    )


def _search(path):
    config = _json(path / "config.json")
    if config is None:
        return None
    metrics = _lines(path / "metrics.jsonl")
    final, found = _json(path / "genotype.json"), _lines(path / "genotypes.jsonl")
    if final is not None:
        return Records(config, metrics, _genotype(path / "genotype.json", final))
    if not found:
        return Records(config, metrics, None)
    return Records(config, metrics, _genotype(path / "genotypes.jsonl", found[-1]), found[-1]["epoch"])


def _training(path):
    config = _json(path / "config.json")
    if config is None:
        return None
    genotype = _genotype(path / "genotype.json", _json(path / "genotype.json") or {})
    return Records(config, _lines(path / "metrics.jsonl"), genotype)


def _genotype(path, record):
    try:
        return Genotype.from_dict(record)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _shares(path):
    lines = _lines(path)
    try:
        groups = {group: np.array([line["mixture"][group] for line in lines], float) for group in _groups(lines)}
        if any(shares.ndim != 3 for shares in groups.values()):
            raise ValueError("shares are not a table for each epoch")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error
    return tuple(line["epoch"] for line in lines), groups


def _rows(path, search):
    """What the run kept of its plugin's space, else what the space says; nothing where nobody knows it."""
    kept = _json(path / CANDIDATES)
    try:
        if kept is not None:
            return {group: [(label, tuple(names)) for label, names in rows] for group, rows in kept.items()}
        return spaces.rows(str(search.config.get("space"))) if search else {}
    except InputError:
        return {}
    except (TypeError, ValueError) as error:
        raise _damaged(path / CANDIDATES, error) from error


def _analysis(path):
    """The analysis, of which every part that is shown has been looked at once."""
    record = _json(path)
    if record is None:
        return None
    try:
        for each in record["checkpoints"]:
            _check_checkpoint(each)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return record


def _check_checkpoint(record):
    hessian, weights, sensitivity = record["alpha_hessian"], record["weight_hessian"], record["sensitivity"]
    numbers = [record["epoch"], hessian["spectral_norm"], hessian["spread"], hessian["largest"], hessian["trace"]]
    numbers += [record["gap"][step]["accuracy"] for step in ("mixture", "one_hot", "pruned")]
    numbers += [sensitivity["clean_loss"], sensitivity["clean_accuracy"]]
    numbers += [weights["spectral_norm"], weights["trace"]] if weights else []
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError("a figure is not a number")
    np.array(hessian["eigenvalues"], float)
    if weights:
        np.array([weights["grid"], weights["density"]], float)
    names = ("random_{}", "adversarial_{}")
    curves = [name.format(quantity) for name in names for quantity in ("loss", "accuracy")]
    np.array([sensitivity[name] for name in ("epsilon", "random_spread", "random_accuracy_spread", *curves)], float)
    for survey in record["landscapes"]:
        shape = (len(survey["y"]), len(survey["x"]))
        if any(np.array(survey[quantity], float).shape != shape for quantity in ("loss", "accuracy")):
            raise ValueError(f"a landscape is not {shape[0]} rows of {shape[1]}")
        _, _ = survey["directions"]
        str(survey["domain"])


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
    return _printable(record)


def _printable(value):
    """The same with all texts printable: a file may come from anywhere."""
    if isinstance(value, dict):
        return {printable(name): _printable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def _damaged(path, reason):
    return InputError(f"{path} is damaged ({reason}); mend it, or leave its run out.")
