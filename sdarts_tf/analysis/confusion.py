"""Paints a confusion matrix with matplotlib, for a handful of classes as for a hundred."""

import io

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

_INK, _GRAY = "#1f2933", "#a3adb8"
_COLORS = LinearSegmentedColormap.from_list("share", ["#ffffff", "#cfe0f3", "#5b93d0", "#153e75"])
_MOST_CLASSES_WITH_NUMBERS, _MOST_NAMES = 25, 200
_DOTS_PER_INCH = 160


def paint(confusion, label_names, title: str, file_format: str) -> bytes:
    """The matrix as a picture: a row for each true class, shaded by the shares of its images.

    Up to 25 classes the cells carry their numbers of images; with more the shades tell them. Up to 200 classes each has
    its name; of more, every second, third, ... has. The same matrix gives the same bytes.

    Args:
        confusion: integers `[true class][predicted class]`.
        label_names: the classes.
        title: one line above the picture.
        file_format: `"svg"` or `"png"`.

    Example:
        >>> paint([[3, 1], [0, 4]], ("cat", "dog"), "Pets", "svg")[:5]
        b'<?xml'
    """
    confusion, classes = np.asarray(confusion), len(label_names)
    few = classes <= _MOST_CLASSES_WITH_NUMBERS
    side = 0.45 * classes if few else 0.125 * min(classes, _MOST_NAMES)  # inches
    style = {"svg.fonttype": "path", "svg.hashsalt": "sdarts_tf", "font.family": "DejaVu Sans", "font.size": 9}
    with matplotlib.style.context(["default", style]):
        figure = Figure(figsize=(side + 2.4, side + 2.0), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        # The square root makes rare confusions visible beside a strong diagonal.
        picture = axes.imshow(shares, cmap=_COLORS, norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
        _label_axes(axes, label_names, size=9 if few else 6)
        axes.set_title(title, fontsize=11, color=_INK, loc="left")
        if few:
            _write_numbers(axes, confusion, shares)
        bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=30, label="share of the true class")
        bar.outline.set_edgecolor(_GRAY)
        metadata = {"svg": {"Title": title, "Date": None, "Creator": None}, "png": {"Title": title, "Software": None}}
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=_DOTS_PER_INCH, metadata=metadata[file_format])
    return file.getvalue()


def _label_axes(axes, label_names, size):
    step = -(-len(label_names) // _MOST_NAMES)
    places, names = range(0, len(label_names), step), label_names[::step]
    axes.set_xticks(places, names, rotation=90)
    axes.set_yticks(places, names)
    axes.set_xlabel("predicted", fontsize=11, color=_INK)
    axes.set_ylabel("true", fontsize=11, color=_INK)
    axes.tick_params(length=2, color=_GRAY, labelcolor=_INK, labelsize=size)
    axes.spines[:].set_color(_GRAY)


def _write_numbers(axes, confusion, shares):
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            color = "white" if shares[row, column] > 0.3 else _INK
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=7)
