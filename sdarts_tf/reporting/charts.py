"""The charts of a report. The alternative text of every picture tells its main figures."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sdarts_tf.reporting.svg import GRAY, paint

# Okabe & Ito's colors, told apart with every kind of color vision, in an order that also differs in lightness.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("-", (0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_MAP = "cividis"  # looks the same with every kind of color vision
_LONGEST, _FEW_POINTS = 30, 12


@dataclasses.dataclass(frozen=True)
class Chart:
    """A picture, an `<svg>` element, and the heading that stands above it."""

    title: str
    picture: Markup


@dataclasses.dataclass(frozen=True)
class Series:
    """A line of a chart.

    Args:
        label: name of its run.
        x, y: its points.
        spread: half of the height of a band around it.
        note: what it is beside other lines of its run, which are dashed: `""` for the main one.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] | None = None
    note: str = ""


def lines(
    title: str,
    series: Sequence[Series],
    runs: Sequence[str],
    *,
    what: str = "",
    x: str = "epoch",
    y: str = "",
    percent: bool = False,
    log: bool = False,
) -> Chart:
    """Lines over the epochs, or over another quantity.

    Args:
        title: heading.
        series: the lines, at least one.
        runs: names of all runs on the page; each has its color in all charts.
        what: what tells the chart from others with the same heading.
        x, y: names of the axes.
        percent: whether `y` is a share, shown as percentage.
        log: whether the y axis is logarithmic.
    """
    notes = list(dict.fromkeys(each.note for each in series))
    shown = [name for name in runs if any(each.label == name for each in series)]

    def draw(figure):
        axes = figure.subplots()
        for each in series:
            color, dashes = _look(runs.index(each.label), notes.index(each.note))
            values = np.asarray(each.y, float)
            marker = "o" if len(values) <= _FEW_POINTS else None
            axes.plot(each.x, values, linestyle=dashes, color=color, linewidth=1.5, marker=marker, markersize=3)
            if each.spread is not None:
                spread = np.asarray(each.spread, float)
                axes.fill_between(each.x, values - spread, values + spread, color=color, alpha=0.2, linewidth=0)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        _dress(axes, x, y, percent=percent)
        _explain(figure, runs, shown, notes)

    alt = f"Line chart, {' '.join(filter(None, [what, title]))} by {x}. {_told(series, percent)}"
    return Chart(title, paint(draw, _wide(runs, shown, notes), alt))


def bars(title: str, groups: Mapping[str, Mapping[str, float]], runs: Sequence[str]) -> Chart:
    """Shares of several runs side by side, with their percentages above.

    Args:
        title: heading.
        groups: run -> name -> share, the same names for every run.
        runs: as for `lines`.
    """
    names = list(next(iter(groups.values())))

    def draw(figure):
        axes, width = figure.subplots(), 0.8 / len(groups)
        for number, (label, values) in enumerate(groups.items()):
            places = np.arange(len(names)) - 0.4 + (number + 0.5) * width
            color, _ = _look(runs.index(label))
            painted = axes.bar(places, list(values.values()), 0.92 * width, color=color)
            if len(groups) <= 3:
                axes.bar_label(painted, [f"{100 * value:.1f}" for value in values.values()], fontsize=7, padding=1)
        axes.set_xticks(range(len(names)), names)
        _dress(axes, "", "accuracy", percent=True, grid="y")
        axes.set_ylim(0, 1.08)
        axes.set_yticks(np.linspace(0, 1, 6))
        _explain(figure, runs, list(groups))

    told = "; ".join(
        f"{label}: {', '.join(f'{name} {value:.1%}' for name, value in values.items())}"
        for label, values in groups.items()
    )
    return Chart(title, paint(draw, _wide(runs, groups), f"Bar chart, {title}. {told}."))


def shares(
    title: str, what: str, values, names: Sequence[str], epochs: Sequence[int], limits, kept: str | None
) -> Chart:
    """The shares of one edge's candidates as a heat map over the epochs.

    Args:
        title: heading, what the row of alpha is.
        what: what tells the chart from others with the same heading.
        values: `[epochs, candidates]`, shares.
        names: the candidates.
        epochs: the epochs, one after the other.
        limits: the shares of the first and last color.
        kept: the candidate that the genotype keeps, if it keeps the edge.
    """
    values = np.asarray(values, float)

    def draw(figure):
        axes = figure.subplots()
        extent = (epochs[0] - 0.5, epochs[-1] + 0.5, len(names) - 0.5, -0.5)
        axes.imshow(values.T, cmap=_MAP, vmin=limits[0], vmax=limits[1], aspect="auto", extent=extent)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        for name, label in zip(names, axes.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if name == kept else "normal")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))

    last = ", ".join(f"{name} {share:.1%}" for name, share in zip(names, values[-1], strict=True))
    choice = "not kept" if kept is None else f"kept with {kept}"
    alt = f"Heat map, {what}, {title}, {choice}. In epoch {epochs[-1]}: {last}."
    picture = paint(draw, (2.9, 0.42 + 0.165 * len(names)), alt)
    return Chart(title if kept is None else f"{title}, kept", picture)


def scale(limits, what: str) -> Markup:
    """The colors of `shares` and what they mean."""

    def draw(figure):
        axes = figure.subplots()
        axes.imshow(np.linspace(*limits, 64)[None], cmap=_MAP, aspect="auto", extent=(*limits, 0, 1))
        axes.set_yticks([])
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.spines[:].set_visible(False)
        axes.set_xlabel("share")

    return paint(
        draw, (2.9, 0.65), f"Color scale, {what}: from {limits[0]:.1%}, dark blue, to {limits[1]:.1%}, yellow."
    )


def landscape(title: str, survey: Mapping, quantity: str, limits) -> Chart:
    """Loss or accuracy over a plane, as a map with contour lines; a cross marks where the search stood.

    Args:
        title: heading.
        survey: `domain`, `x`, `y`, `directions`, and `quantity`, one row for each y.
        quantity: `"loss"` or `"accuracy"`.
        limits: the values of the first and last color.
    """
    values = np.asarray(survey[quantity], float)
    x, y = (np.asarray(survey[name], float) for name in "xy")

    def draw(figure):
        axes = figure.subplots()
        half_x, half_y = ((side[-1] - side[0]) / max(len(side) - 1, 1) / 2 or 0.5 for side in (x, y))
        extent = (x[0] - half_x, x[-1] + half_x, y[0] - half_y, y[-1] + half_y)
        style = {"cmap": _MAP, "vmin": limits[0], "vmax": limits[1]}
        picture = axes.imshow(values, origin="lower", extent=extent, aspect="auto", **style)
        if min(values.shape) > 1 and values.max() > values.min():  # false where one is not a number
            axes.contour(x, y, values, np.linspace(*limits, 9)[1:-1], colors="white", linewidths=0.5, alpha=0.7)
        axes.plot(0, 0, "+", color="white", ms=9, mew=2.2)
        axes.plot(0, 0, "+", color="black", ms=7, mew=1)
        percent = PercentFormatter(1) if quantity == "accuracy" else None
        figure.colorbar(picture, ax=axes, format=percent).outline.set_visible(False)
        _dress(axes, *survey["directions"], grid=None)

    tell = "{:.1%}".format if quantity == "accuracy" else "{:.4g}".format
    at = values[np.abs(y).argmin(), np.abs(x).argmin()]
    told = f"From {tell(values.min())} to {tell(values.max())}, {tell(at)} in the middle"
    alt = f"Map, {title}, over {survey['domain']}, {' by '.join(survey['directions'])}. {told}."
    return Chart(title, paint(draw, (3.1, 2.7), alt))


def _look(number, note=0):
    """Color and dashes of a run's line; past the last color they begin again with other dashes."""
    return _COLORS[number % len(_COLORS)], _DASHES[(number // len(_COLORS) + note) % len(_DASHES)]


def _wide(runs, shown, notes=("",)):
    """The size of a wide chart with room for its legend."""
    entries = (len(shown) if len(runs) > 1 else 0) + (len(notes) if len(notes) > 1 else 0)
    return 4.6, 2.55 + 0.17 * -(-entries // 2)


def _explain(figure, runs, shown, notes=("",)):
    """A legend of the runs, where there are several, and of what a run's lines are."""
    handles = []
    if len(runs) > 1:
        for name in shown:
            color, dashes = _look(runs.index(name))
            handles.append(Line2D([], [], color=color, linestyle=dashes, label=_short(name)))
    if len(notes) > 1:
        handles += [Line2D([], [], color=GRAY, linestyle=_look(0, n)[1], label=note) for n, note in enumerate(notes)]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def _dress(axes, x, y, *, percent=False, grid="both"):
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    if x == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(grid is None)
    axes.tick_params(length=2)
    if grid:
        axes.grid(axis=grid, color=GRAY, alpha=0.25, linewidth=0.7)
        axes.set_axisbelow(True)


def _short(text):
    return (
        text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{text[-_LONGEST // 2 :]}"
    )


def _told(series, percent):
    tell = "{:.1%}".format if percent else "{:.4g}".format
    told = []
    for each in series:
        name = ", ".join(filter(None, [each.label, each.note]))
        first, last = (tell(float(each.y[place])) for place in (0, -1))
        told.append(f"{name}: {first} at {each.x[0]:g}" + (f", {last} at {each.x[-1]:g}" if len(each.y) > 1 else ""))
    return "; ".join(told) + "."
