"""The figures of finished or paused runs, by name, and which of them can be aimed at. Imports no TensorFlow."""

import dataclasses
import json
import numbers
import pathlib

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.data import text
from sdarts_tf.errors import InputError

RETRAINED = "retrained_"  # begins the names of figures of the network that a search's cell was trained to
_OF_SEARCHES = (
    "pruned_accuracy",  # of the found cell inside the supernet, all other edges gone
    "one_hot_accuracy",
    "valid_accuracy",  # of the whole mixture
    "valid_loss",
    "valid_perplexity",
    "hessian_norm",
    "true_test_accuracy",
    "true_valid_accuracy",
)
_OF_TRAININGS = ("valid_accuracy", "valid_loss", "valid_perplexity", "test_accuracy", "test_loss", "test_perplexity")


def known(command: str) -> tuple[str, ...]:
    """What can be aimed at when runs of a command, `"search"` or `"retrain"`, are compared.

    Example:
        >>> known("search")[0], known("search")[-1]
        ('pruned_accuracy', 'retrained_test_perplexity')
    """
    return _OF_TRAININGS if command == "retrain" else (*_OF_SEARCHES, *(RETRAINED + name for name in _OF_TRAININGS))


def more_is_better(figure: str) -> bool:
    """Accuracies should be large; losses, errors, perplexities and eigenvalues small.

    Example:
        >>> more_is_better("retrained_test_accuracy"), more_is_better("hessian_norm")
        (True, False)
    """
    return figure.endswith("accuracy")


def measuring(config: SearchConfig | RetrainConfig, figure: str, *, every_epoch: bool = False):
    """The configuration, in which what a figure needs is switched on where it is off.

    Args:
        config: of a search, or of a training.
        figure: of `known`, without `RETRAINED`.
        every_epoch: the figure is wanted after every epoch, not only after the last.

    Raises:
        InputError: the figure needs a setting that only the user can choose, or the run may end without it.
    """
    if isinstance(config, RetrainConfig):
        held_out = config.valid_share or config.dataset in text.NAMES or figure == "valid_perplexity"
        if figure.startswith("valid_") and not held_out:
            raise InputError(f"{figure} is measured on images that are held out; add a valid_share, for example 0.1.")
        return config
    if config.stop:
        raise InputError(f"stop={config.stop} ends with an earlier epoch than the one that is measured; leave it out.")
    every = 1 if every_epoch else config.epochs
    if figure.startswith(("pruned_", "one_hot_")) and (every_epoch or not config.gap_every):
        return dataclasses.replace(config, gap_every=every)
    if figure == "hessian_norm" and (every_epoch or not config.hessian_every):
        return dataclasses.replace(config, hessian_every=every)
    if figure.startswith("true_") and config.benchmark is None:
        raise InputError(f"{figure} is looked up in the table of a benchmark; add --benchmark=FILE.")
    return config


def of_search(run_dir: pathlib.Path) -> dict[str, float]:
    """The figures of the last recorded epoch of a search; empty before the first one."""
    return _numbers(*_lines(run_dir / "metrics.jsonl")[-1:])


def of_training(run_dir: pathlib.Path) -> dict[str, float]:
    """The figures of a trained network: those of the epoch whose weights were tested, and of the test."""
    lines = _lines(run_dir / "retrain" / "metrics.jsonl")
    if lines and "valid_loss" in lines[-1]:
        # As retraining keeps its best weights: those of a language model by their loss.
        is_text = "valid_perplexity" in lines[-1]
        lines = [min(lines, key=lambda line: line["valid_loss"] if is_text else -line["valid_accuracy"])]
    result = run_dir / "retrain" / "result.json"
    test = [json.loads(result.read_text(encoding="utf-8"))] if result.exists() else []
    return _numbers(*lines[-1:], *test)


def of_run(run_dir: pathlib.Path) -> dict[str, float]:
    """All figures of a search and, if there is one, of the training of its cell; an `_error` beside every accuracy."""
    figures = of_search(run_dir) | {RETRAINED + name: value for name, value in of_training(run_dir).items()}
    shares = [name.removesuffix("accuracy") for name in figures if name.endswith("accuracy")]
    return figures | {f"{name}error": 1 - figures[f"{name}accuracy"] for name in shares}


def epochs_recorded(folder: pathlib.Path) -> int:
    """The last recorded epoch of the run in a folder, 0 before the first one."""
    lines = _lines(folder / "metrics.jsonl")
    return lines[-1]["epoch"] if lines else 0


def _lines(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _numbers(*records):
    merged = {name: value for record in records for name, value in record.items()}
    return {name: float(value) for name, value in merged.items() if isinstance(value, numbers.Real)}
