"""Pictures of a tune: the objective over every setting, and which setting it depends on."""

import io
from collections.abc import Sequence

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sdarts_tf.studies.importance import Importance
from sdarts_tf.studies.plan import Parameter, Plan

_STYLE = {"font.family": "DejaVu Sans", "font.size": 9}
_MOST_TICKS = 6  # values of which each gets a tick of its own
_POINTS, _LINE = "#3b7dd8", "#1b3a6b"


def slices(trials: Sequence, plan: Plan) -> bytes:
    """The objective over each parameter, as PNG; where values repeat, a line with their means and deviations.

    Args:
        trials: `results.Trial`s that succeeded, at least one.
        plan: of the tune.
    """
    shown = [each for each in plan.parameters if any(each.name in trial.values for trial in trials)]

    def draw(figure):
        axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axis, parameter in zip(axes, shown, strict=True):
            _slice(axis, [trial for trial in trials if parameter.name in trial.values], parameter, plan.objective)
        axes[0].set_ylabel(plan.objective.replace("_", " "))

    return _save(draw, (max(4.5, 3 * len(shown)), 3.2))


def _slice(axis, trials, parameter: Parameter, objective):
    values = [trial.values[parameter.name] for trial in trials]
    heights = np.array([trial.figures[objective] for trial in trials])
    numeric = all(isinstance(value, int | float) for value in values)
    order = sorted(set(values)) if numeric else list(parameter.values or ())
    places = np.array(values, float) if numeric else np.array([order.index(value) for value in values], float)
    axis.plot(places, heights, "o", color=_POINTS, alpha=0.5, markersize=4, markeredgewidth=0)
    groups = {place: heights[places == place] for place in sorted(set(places))}
    if len(heights) > len(groups):
        means = [group.mean() for group in groups.values()]
        spreads = [group.std(ddof=1) if len(group) > 1 else 0 for group in groups.values()]
        line = "o-" if numeric else "o"
        axis.errorbar(list(groups), means, yerr=spreads, fmt=line, color=_LINE, linewidth=1.2, capsize=2, markersize=3)
    if parameter.scale == "log":
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    elif not numeric or len(order) <= _MOST_TICKS:
        axis.set_xticks(order if numeric else range(len(order)), [f"{x:g}" if numeric else str(x) for x in order])
    axis.set_xlabel(parameter.name.replace("_", " "))
    axis.grid(alpha=0.3)


def importance(found: Importance, objective: str) -> bytes:
    """Bars, the most important setting on top, as PNG."""
    order = np.argsort(found.means)

    def draw(figure):
        axis = figure.subplots()
        names = [found.names[place].replace("_", " ") for place in order]
        means, deviations = (np.array(values)[order] for values in (found.means, found.deviations))
        axis.barh(names, means, xerr=deviations, color=_POINTS, ecolor=_LINE, capsize=2)
        axis.set_xlabel(f"error of predicting {objective.replace('_', ' ')} that shuffling adds")
        axis.set_title(f"held-out predictions explain {max(found.score, 0):.0%} of the variance", fontsize=9)
        axis.grid(axis="x", alpha=0.3)

    return _save(draw, (6, 0.4 * len(order) + 1.4))


def _save(draw, size) -> bytes:
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=150)
    return file.getvalue()
