"""Which charts a report shows, from what its runs hold."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from sdarts_tf.reporting import charts, tables
from sdarts_tf.reporting.charts import Chart, Series
from sdarts_tf.reporting.run import Run


@dataclasses.dataclass(frozen=True)
class _Figure:
    """A chart over the epochs: its heading, figure -> note of its line, name of the y axis, figure of the band."""

    title: str
    names: Mapping[str, str]
    unit: str = ""
    spread: str | None = None


_FIGURES = (
    _Figure("Accuracy", {"valid_accuracy": "validation", "train_accuracy": "training"}),
    _Figure("Top-5 accuracy", {"valid_top5": "validation"}),
    _Figure("Loss", {"valid_loss": "validation", "train_loss": "training"}, "nats"),
    _Figure(
        "True accuracy of each epoch's genotype",
        {"true_test_accuracy": "test", "true_valid_accuracy": "validation, of nasbench201 after 12 epochs only"},
    ),
    _Figure("Regret: what the best genotype is better by", {"regret": ""}),
    _Figure("Alpha Hessian: spectral norm", {"hessian_norm": ""}, "mean, deviation over batches", "hessian_spread"),
    _Figure("Alpha Hessian: largest eigenvalue", {"hessian_largest": ""}),
    _Figure("Entropy of the mixture", {"alpha_entropy": ""}, "nats per edge"),
    _Figure("Skip connections in the genotype", {"skip_connections": ""}),
    _Figure("Radius of the perturbation", {"epsilon": ""}, "epsilon"),
    _Figure("Learning rate of the weights", {"learning_rate": ""}),
    _Figure("Learning rate of alpha", {"alpha_learning_rate": ""}),
    _Figure("Probability of dropping a path", {"drop_rate": ""}),
    _Figure("Dropout behind skip connections", {"skip_dropout": ""}),
)
# Shown elsewhere, or of interest only where something went wrong: the table of all figures has them.
_NOT_DRAWN = {"epoch", "seconds", "stage", "non_finite_losses", "hessian_spread"}
_STEPS = {"mixture": "mixture", "one_hot": "one-hot", "pruned": "pruned"}


def over_epochs(
    metrics: Mapping[str, Sequence[Mapping]], what: str, runs: Sequence[str], left_out=frozenset()
) -> list[Chart]:
    """A chart for each kind of figure that was recorded, with a line for each run.

    Args:
        metrics: run -> its records, one for each epoch.
        what: what was recorded.
        runs: names of all runs on the page.
        left_out: pairs (run, figure) that are not drawn.
    """
    known = {name for figure in _FIGURES for name in figure.names} | _NOT_DRAWN
    recorded = {name: None for lines in metrics.values() for line in lines for name in line}
    others = [_Figure(name, {name: ""}) for name in recorded if name not in known]
    painted = []
    for figure in (*_FIGURES, *others):
        series = [
            line
            for label, lines in metrics.items()
            for name, note in figure.names.items()
            if (label, name) not in left_out
            for line in _series(label, note, lines, name, figure.spread)
        ]
        if series:
            percent = all(tables.is_share(name) for name in figure.names)
            painted.append(charts.lines(figure.title, series, runs, what=what, y=figure.unit, percent=percent))
    return painted


def _series(label, note, records, name, spread):
    """The line of a figure, or none."""
    found = [record for record in records if tables.is_number(record.get(name))]
    if not found:
        return []
    band = [record.get(spread, 0.0) for record in found] if spread else None
    return [Series(label, [each["epoch"] for each in found], [each[name] for each in found], band, note)]


def flatness(runs: Sequence[Run]) -> list[Chart]:
    """Eigenvalues, discretization gap and sensitivity at the last checkpoints of all runs that were analyzed."""
    last = {run.label: run.analysis["checkpoints"][-1] for run in _analyzed(runs)}
    if not last:
        return []
    labels = [run.label for run in runs]
    spectra = {label: each["alpha_hessian"]["eigenvalues"] for label, each in last.items()}
    series = [Series(label, range(1, len(values) + 1), values) for label, values in spectra.items()]
    painted = [charts.lines("Eigenvalues of the alpha Hessian", series, labels, x="rank")]
    weights = {label: each["weight_hessian"] for label, each in last.items() if each["weight_hessian"]}
    if weights:
        # What lies below is the smoothing's tail.
        density = [
            Series(label, each["grid"], np.maximum(each["density"], 1e-6).tolist()) for label, each in weights.items()
        ]
        painted.append(
            charts.lines("Weight Hessian: density of eigenvalues", density, labels, x="eigenvalue", log=True)
        )
    gaps = {
        label: {shown: each["gap"][step]["accuracy"] for step, shown in _STEPS.items()} for label, each in last.items()
    }
    painted.append(charts.bars("Accuracy on the way to the genotype", gaps, labels))
    for quantity in ("loss", "accuracy"):
        shifted = [line for label, each in last.items() for line in _shifted(label, each["sensitivity"], quantity)]
        title = f"{quantity.capitalize()} at shifted mixtures"
        painted.append(
            charts.lines(title, shifted, labels, x="size of the shift, epsilon", percent=quantity == "accuracy")
        )
    return painted


def _shifted(label, record, quantity):
    epsilon, clean = [0.0, *record["epsilon"]], record[f"clean_{quantity}"]
    spread = record["random_spread" if quantity == "loss" else "random_accuracy_spread"]
    yield Series(label, epsilon, [clean, *record[f"adversarial_{quantity}"]], note="adversarial")
    yield Series(label, epsilon, [clean, *record[f"random_{quantity}"]], [0.0, *spread], note="random")


def landscapes(runs: Sequence[Run]) -> list[tuple[str, list[Chart]]]:
    """Maps of loss and accuracy: for each plane a heading, and the maps of all runs, each quantity on one scale.

    Of several runs the last checkpoints are shown, of a single one the first and the last.
    """
    analyzed = _analyzed(runs)
    views = [(run, run.analysis["checkpoints"][-1]) for run in analyzed]
    if len(analyzed) == 1 and len(analyzed[0].analysis["checkpoints"]) > 1:
        views.insert(0, (analyzed[0], analyzed[0].analysis["checkpoints"][0]))
    planes = dict.fromkeys(_plane(survey) for _, view in views for survey in view["landscapes"])
    found = []
    for domain, directions in planes:
        surveys = {
            f"{run.label}, epoch {view['epoch']}": survey
            for run, view in views
            for survey in view["landscapes"]
            if _plane(survey) == (domain, directions)
        }
        maps = [each for quantity in ("loss", "accuracy") for each in _maps(surveys, quantity)]
        found.append((f"Over {domain}: {' by '.join(directions)}", maps))
    return found


def _maps(surveys, quantity):
    limits = _limits(np.concatenate([np.ravel(np.asarray(each[quantity], float)) for each in surveys.values()]))
    return [
        charts.landscape(f"{quantity.capitalize()}, {label}", survey, quantity, limits)
        for label, survey in surveys.items()
    ]


def _analyzed(runs):
    return [run for run in runs if run.analysis is not None and run.analysis["checkpoints"]]


def _plane(survey):
    return survey["domain"], tuple(survey["directions"])


@dataclasses.dataclass(frozen=True)
class Shares:
    """The heat maps of one group of alpha, the scale of their colors, and the shares at the end."""

    group: str
    scale: Markup
    maps: list[Chart]
    table: tables.Table


def shares(run: Run) -> list[Shares]:
    """How the shares of all candidates on all edges moved, for each group of alpha."""
    return [_group(run, group, values) for group, values in run.shares.items()]


def _group(run, group, values):
    rows = _rows(run, group, values.shape)
    edges = run.search.genotype.cells.get(group, ()) if run.search and run.search.genotype else ()
    kept = {f"{edge.source} -> {edge.target}": edge.operation for edge in edges}
    limits = _limits(values)
    maps = []
    for number, (label, names) in enumerate(rows):
        what = f"{run.label}, {group}"
        maps.append(charts.shares(label, what, values[:, number], names, run.share_epochs, limits, kept.get(label)))
    scale = charts.scale(limits, f"{run.label}, {group}")
    return Shares(group, scale, maps, tables.final_shares(group, rows, values[-1]))


def _rows(run, group, shape):
    """Label and candidates of each row of a group; numbers where the space does not name them."""
    named = run.rows.get(group, [])
    if [len(names) for _, names in named] == [shape[2]] * shape[1]:
        return named
    return [(f"row {row}", tuple(map(str, range(shape[2])))) for row in range(shape[1])]


def _limits(values):
    """The least and the largest finite value, which are not the same."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1e-6)
