"""Pictures of analyses: one run over its epochs, or several runs side by side on the same scales."""

import io

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

NAMES = ("curvature", "loss", "accuracy")
_STYLE = {"svg.fonttype": "path", "svg.hashsalt": "sdarts_tf", "font.family": "DejaVu Sans", "font.size": 9}
_MOST_PANELS = 6
_STEPS = ("mixture", "one_hot", "pruned")


def paint(analyses: dict[str, dict], file_format: str = "png") -> dict[str, bytes]:
    """The pictures of one or more analyses.

    Args:
        analyses: name of a run -> what `SearchedRun.analysis` returned. The epochs of a single run stand side by side;
            of several runs the last ones do.
        file_format: `"svg"` or `"png"`.

    Returns:
        By name, of `NAMES`: `curvature`, with eigenvalues, gap and sensitivity; `loss` and `accuracy`, the landscapes,
        where there are any.
        The same analyses give the same bytes.
    """
    if len(analyses) == 1:
        (run,) = analyses.values()
        views = [(f"epoch {each['epoch']}", each) for each in _spread(run["checkpoints"])]
    else:
        views = [
            (f"{name}, epoch {run['checkpoints'][-1]['epoch']}", run["checkpoints"][-1])
            for name, run in analyses.items()
        ]
    pictures = {"curvature": _save(lambda figure: _curvature(figure, analyses, views), (13, 8), file_format)}
    if all(view["landscapes"] for _, view in views):
        rows = len(views[0][1]["landscapes"])
        for quantity in NAMES[1:]:
            pictures[quantity] = _save(
                lambda figure, quantity=quantity: _landscapes(figure, views, quantity),
                (2.6 * len(views) + 1.2, 2.6 * rows + 0.4),
                file_format,
            )
    return pictures


def _spread(checkpoints):
    """At most so many of them as fit, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(checkpoints) - 1, min(len(checkpoints), _MOST_PANELS)).round().astype(int)
    return [checkpoints[place] for place in places]


def _save(draw, size, file_format):
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[file_format]
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=110, metadata=metadata)
    return file.getvalue()


def _curvature(figure, analyses, views):
    norms, spectra, gaps, shifts, accuracies, weights = figure.subplots(2, 3).flat
    for name, run in analyses.items():
        epochs = [each["epoch"] for each in run["checkpoints"]]
        hessians = [each["alpha_hessian"] for each in run["checkpoints"]]
        values, spreads = ([each[key] for each in hessians] for key in ("spectral_norm", "spread"))
        norms.errorbar(epochs, values, yerr=spreads, marker="o", markersize=3, capsize=2, label=name)
    norms.legend()
    norms.xaxis.set_major_locator(MaxNLocator(integer=True))
    _name(norms, "spectral norm of the alpha Hessian", "epoch", "mean and deviation over batches")
    for number, (label, view) in enumerate(views):
        color = f"C{number}"
        spectra.plot(view["alpha_hessian"]["eigenvalues"], ".-", color=color, markersize=3, label=label)
        places = np.arange(len(_STEPS)) + 0.8 * (number / len(views) - 0.5)
        heights = [view["gap"][step]["accuracy"] for step in _STEPS]
        gaps.bar(places, heights, 0.8 / len(views), align="edge", color=color, label=label)
        for axes, quantity in ((shifts, "loss"), (accuracies, "accuracy")):
            _shifted(axes, view["sensitivity"], quantity, color, label)
        if view["weight_hessian"]:
            weights.semilogy(view["weight_hessian"]["grid"], view["weight_hessian"]["density"], color=color)
    gaps.set_xticks(range(len(_STEPS)), ("mixture", "one-hot", "pruned"))
    weights.set_ylim(bottom=1e-6)
    _name(spectra, "eigenvalues of the alpha Hessian", "rank", "eigenvalue")
    _name(gaps, "accuracy on the way to the genotype", "", "accuracy")
    _name(shifts, "loss at shifted mixtures (dashed: random)", "epsilon", "loss")
    _name(accuracies, "accuracy at shifted mixtures", "epsilon", "accuracy")
    _name(weights, "eigenvalue density, weights", "eigenvalue", "density")
    spectra.legend()


def _shifted(axes, record, quantity, color, label):
    epsilons, clean = [0.0, *record["epsilon"]], record[f"clean_{quantity}"]
    axes.plot(epsilons, [clean, *record[f"adversarial_{quantity}"]], "-o", markersize=3, color=color, label=label)
    axes.plot(epsilons, [clean, *record[f"random_{quantity}"]], "--o", markersize=3, color=color)


def _landscapes(figure, views, quantity):
    """A row for each plane, whose color scale and axes are the same in all columns."""
    rows = len(views[0][1]["landscapes"])
    for row, axes_row in enumerate(figure.subplots(rows, len(views), squeeze=False)):
        surveys = [view["landscapes"][row] for _, view in views]
        values = np.concatenate([np.ravel(survey[quantity]) for survey in surveys])
        values = values[np.isfinite(values)]
        levels = np.linspace(values.min(), max(values.max(), values.min() + 1e-6), 25)
        for axes, (label, _), survey in zip(axes_row, views, surveys, strict=True):
            filled = axes.contourf(survey["x"], survey["y"], survey[quantity], levels, cmap="viridis", extend="neither")
            axes.plot(0, 0, "+", color="white")
            title = f"{label}\n{survey['domain']}" if row == 0 else survey["domain"]
            _name(axes, title, survey["directions"][0], survey["directions"][1])
        figure.colorbar(filled, ax=list(axes_row), label=quantity, format="%.3g")


def _name(axes, title, x, y):
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
