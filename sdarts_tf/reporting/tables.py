"""The tables of a report: texts only, from the files' numbers. Imports no TensorFlow."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sdarts_tf.config import RetrainConfig, SearchConfig, default_of
from sdarts_tf.reporting.run import Run

_MOST_EPOCHS = 200
# Say where a run lies and how it is computed, not what it is.
_CIRCUMSTANCES = {"run_dir", "data_dir", "resume", "edges_at_once"}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Args:
        caption: what it shows.
        head: names of the columns; the first column names the rows.
        rows: texts, as many in each row as in `head`.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def is_number(value: Any) -> bool:
    """Whether a value of a file is a number that can be shown."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def show(name: str, value: Any) -> str:
    """A figure of a file as text; accuracies, shares and regret as percentages.

    Example:
        >>> show("valid_accuracy", 0.91655), show("epoch", 3), show("train_loss", 0.5026020), show("flip", None)
        ('91.66 %', '3', '0.5026', 'default')
    """
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "on" if value else "off"
    if not is_number(value):
        return str(value)
    if is_share(name):
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def is_share(name: str) -> bool:
    """Whether a figure is a share of images."""
    return name.endswith(("accuracy", "top5", "top_1", "top_5")) or name == "regret"


def glance(runs: Sequence[Run]) -> Table:
    """The main figures, a column for each run; what no run has is left out."""
    rows = [
        (name, *(figure(run) for run in runs))
        for name, figure in _GLANCE.items()
        if any(figure(run) is not None for run in runs)
    ]
    shown = [[name, *("\N{EN DASH}" if value is None else value for value in values)] for name, *values in rows]
    return Table("The main figures", ["", *(run.label for run in runs)], shown)


def differences(runs: Sequence[Run]) -> Table | None:
    """The settings in which searches differ; None where there are none."""
    # A setting that a file does not know had no other value than today's default.
    configs = [_defaults(run.search.config) | run.search.config if run.search else None for run in runs]
    searched = [config for config in configs if config]
    rows = [
        [name, *(show(name, config.get(name)) if config else "\N{EN DASH}" for config in configs)]
        for name in dict.fromkeys(name for config in searched for name in config if name not in _CIRCUMSTANCES)
        if any(config.get(name) != searched[0].get(name) for config in searched)
    ]
    return Table("Settings in which the searches differ", ["", *(run.label for run in runs)], rows) if rows else None


def _defaults(config):
    return {field.name: default_of(field, _family(config)) for field in dataclasses.fields(SearchConfig)}


def _family(config):
    """Whether a configuration is about images or about text, of which some settings have other defaults."""
    about_text = config.get("space") == "recurrent" or config.get("dataset") in ("ptb", "text")
    return "recurrent" if about_text else "images"


def settings(config: Mapping[str, Any], config_class: type[SearchConfig] | type[RetrainConfig]) -> Table:
    """All settings, those first that are not the default."""
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    rows = []
    for name, value in config.items():
        field = fields.get(name)
        default = show(name, default_of(field, _family(config))) if field else "?"
        value = default_of(field, _family(config)) if field and value is None else value
        unit = field.metadata["unit"] if field else ""
        help_line = field.metadata["help"] + (f" [{unit}]" if unit else "") if field else "unknown to this version"
        rows.append([f"--{name}", show(name, value), default, help_line])
    rows.sort(key=lambda row: row[1] == row[2])
    return Table("Settings, those first that differ from the default", ["flag", "value", "default", "meaning"], rows)


def epochs(metrics: Sequence[Mapping[str, Any]], caption: str) -> Table | None:
    """All figures of the epochs; of very many epochs only some. None before the first epoch."""
    if not metrics:
        return None
    step = math.ceil(len(metrics) / _MOST_EPOCHS)
    shown = [line for place, line in enumerate(metrics) if place % step == 0 or line is metrics[-1]]
    names = [name for name in dict.fromkeys(name for line in shown for name in line) if name != "epoch"]
    rows = [[str(line["epoch"]), *(show(n, line[n]) if n in line else "\N{EN DASH}" for n in names)] for line in shown]
    left_out = f"; {len(shown)} of {len(metrics)} epochs" if step > 1 else ""
    return Table(caption + left_out, ["epoch", *names], rows)


def checkpoints(run: Run) -> Table | None:
    """What `sdarts_tf.analyze` found for each kept checkpoint."""
    if run.analysis is None:
        return None
    rows = []
    for each in run.analysis["checkpoints"]:
        hessian, weights, gap = each["alpha_hessian"], each["weight_hessian"], each["gap"]
        rows.append(
            [
                str(each["epoch"]),
                f"{hessian['spectral_norm']:.4g} \N{PLUS-MINUS SIGN} {hessian['spread']:.2g}",
                f"{hessian['largest']:.4g}",
                f"{hessian['trace']:.4g}",
                f"{weights['spectral_norm']:.4g}" if weights else "\N{EN DASH}",
                f"{weights['trace']:.4g}" if weights else "\N{EN DASH}",
                *(show("accuracy", gap[step]["accuracy"]) for step in ("mixture", "one_hot", "pruned")),
            ]
        )
    head = ["epoch", "alpha Hessian: spectral norm", "largest eigenvalue", "trace"]
    head += ["weight Hessian: spectral norm", "trace", "accuracy: mixture", "one-hot", "pruned"]
    batches, size, statistics = (run.analysis.get(key, "?") for key in ("batches", "batch_size", "statistics"))
    caption = f"Analysis on {batches} validation batches of {size} images, {statistics} batch statistics"
    return Table(caption, head, rows)


def final_shares(group: str, rows: Sequence[tuple[str, Sequence[str]]], last) -> Table:
    """The shares of one group of alpha in one epoch."""
    count = max(len(names) for _, names in rows)
    if all(names == rows[0][1] for _, names in rows):
        head = ["edge", *rows[0][1]]
        body = [[label, *(f"{100 * x:.1f} %" for x in values)] for (label, _), values in zip(rows, last, strict=True)]
    else:
        head = ["edge", *(f"candidate {number + 1}" for number in range(count))]
        body = [
            [label, *(f"{name} {100 * x:.1f} %" for name, x in zip(names, values, strict=True))]
            for (label, names), values in zip(rows, last, strict=True)
        ]
    return Table(f"Shares of {group} at the end", head, body)


def trained(run: Run) -> Table | None:
    """The figures of the trained network's test and evaluation: accuracies, sizes, latency."""
    figures = (run.result or {}) | (run.evaluation or {})
    shown = {name: value for name, value in figures.items() if value is not None and not isinstance(value, dict | list)}
    rows = [[name.replace("_", " "), show(name, value)] for name, value in shown.items()]
    latency = figures.get("latency")
    for size, seconds in latency.items() if isinstance(latency, dict) else ():
        if is_number(seconds):
            rows.append([f"latency, batch {size}", f"{1000 * seconds:.2f} ms"])
    return Table("The trained network", ["", "figure"], rows) if rows else None


def classes(run: Run) -> Table | None:
    """The accuracy of every class."""
    found = (run.evaluation or {}).get("class_accuracy")
    if not isinstance(found, dict):
        return None
    rows = [[name, "no images" if share is None else show("accuracy", share)] for name, share in found.items()]
    return Table("Accuracy of every class", ["class", "accuracy"], rows)


def _setting(name):
    return lambda run: show(name, run.search.config[name]) if run.search and name in run.search.config else None


def _last(name):
    def figure(run):
        values = [line[name] for line in (run.search.metrics if run.search else []) if is_number(line.get(name))]
        return show(name, values[-1]) if values else None

    return figure


def _epochs_done(run):
    if run.search is None:
        return None
    return f"{len(run.search.metrics)}, set to {run.search.config.get('epochs', '?')}"


def _search_time(run):
    seconds = [line["seconds"] for line in (run.search.metrics if run.search else []) if is_number(line.get("seconds"))]
    if not seconds:
        return None
    total = sum(seconds)
    return f"{total:.0f} s" if total < 600 else f"{total / 60:.0f} min" if total < 36000 else f"{total / 3600:.1f} h"


def _pruned(run):
    if run.analysis is None or not run.analysis["checkpoints"]:
        return None
    return show("accuracy", run.analysis["checkpoints"][-1]["gap"]["pruned"]["accuracy"])


def _evaluated(*names, source="evaluation"):
    def figure(run):
        found = getattr(run, source) or {}
        return next((show(name, found[name]) for name in names if is_number(found.get(name))), None)

    return figure


_GLANCE = {
    "folder": lambda run: str(run.path),
    "method": _setting("method"),
    "space": _setting("space"),
    "data set": _setting("dataset"),
    "seed": _setting("seed"),
    "epochs done": _epochs_done,
    "validation accuracy": _last("valid_accuracy"),
    "alpha Hessian, spectral norm": _last("hessian_norm"),
    "accuracy after pruning, not retrained": _pruned,
    "skip connections": _last("skip_connections"),
    "true test accuracy": _last("true_test_accuracy"),
    "regret": _last("regret"),
    "search time": _search_time,
    "test accuracy after retraining": _evaluated("test_accuracy", source="result"),
    "test perplexity after retraining": _evaluated("test_perplexity", source="result"),
    "parameters": _evaluated("parameters"),
    "multiply-adds": _evaluated("multiply_adds"),
}
