"""Paints the cells of a genotype with matplotlib. Lengths are points (1/72 inch); y grows downwards."""

import dataclasses
import io
import itertools

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.genotypes.layout import Arrow, Layout, lay_out

_MARGIN, _HEADING, _BETWEEN_CELLS = 16.0, 25.0, 30.0
_NODE_WIDTH, _END_WIDTH, _STATE_WIDTH = 26.0, 38.0, 62.0
_LABEL_SIZE, _LABEL_HEIGHT, _LABEL_PADDING = 8.5, 16.0, 12.0
_ADVANCE = 0.602  # width of a letter of DejaVu Sans Mono, relative to its size
_HEADING_SIZE, _BOLD_ADVANCE = 11.0, 0.72  # the latter is more than most headings need
_HEAD_LENGTH = 7.0
_DOTS_PER_INCH = 160
_INK, _GRAY, _NODE, _END = "#1f2933", "#a3adb8", "#ffffff", "#edf0f3"

# Beginning of an operation's name -> color of its arrow, color of its label.
_COLORS = {
    "sep_conv": ("#2f6db3", "#e3edf8"),
    "dil_conv": ("#23837a", "#def1ee"),
    "nor_conv": ("#6652a8", "#ebe7f6"),
    "conv": ("#6652a8", "#ebe7f6"),
    "max_pool": ("#b8741a", "#faeeda"),
    "avg_pool": ("#b8741a", "#faeeda"),
    "maxpool": ("#b8741a", "#faeeda"),
    "skip_connect": ("#6b7683", "#eceff2"),
    "identity": ("#6b7683", "#eceff2"),
    "none": ("#b5474a", "#f9e5e4"),
    "noise": ("#b5474a", "#f9e5e4"),
    "tanh": ("#2f6db3", "#e3edf8"),
    "relu": ("#23837a", "#def1ee"),
    "sigmoid": ("#b8741a", "#faeeda"),
}
_OTHER = ("#4a5563", "#eef0f2")


def paint(genotype: Genotype, file_format: str) -> bytes:
    """All cells of a genotype, one below the other; `drawing.draw` tells what is in the picture.

    Args:
        genotype: at least one cell, each with edges.
        file_format: "svg" or "png".

    Returns:
        The contents of the file, the same for the same genotype.

    Raises:
        InputError: there is no cell, or a cell has no edges or no outputs.
    """
    cells = [_Cell.of(genotype, kind) for kind in genotype.cells]
    if not cells:
        raise InputError("This genotype has no cells, so there is nothing to draw; give one that a search found.")
    headings = [_heading(genotype.space, cell.kind) for cell in cells]
    widths = [cell.layout.width for cell in cells] + [len(text) * _BOLD_ADVANCE * _HEADING_SIZE for text in headings]
    width = max(widths) + 2 * _MARGIN
    height = sum(_HEADING + cell.layout.height for cell in cells) + _BETWEEN_CELLS * (len(cells) - 1) + 2 * _MARGIN
    # Letters as paths: labels fit their boxes everywhere, whatever fonts a viewer has. No random ids, no user's style.
    style = {"svg.fonttype": "path", "svg.hashsalt": "sdarts_tf", "font.family": "DejaVu Sans"}
    with matplotlib.style.context(["default", style]):
        figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        top = _MARGIN
        for cell, heading in zip(cells, headings, strict=True):
            _paint_cell(axes, cell, heading, top)
            top += _HEADING + cell.layout.height + _BETWEEN_CELLS
        title = f"Genotype of space {genotype.space}"
        metadata = {"svg": {"Title": title, "Date": None, "Creator": None}, "png": {"Title": title, "Software": None}}
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=_DOTS_PER_INCH, metadata=metadata[file_format])
    return file.getvalue()


@dataclasses.dataclass(frozen=True)
class _Cell:
    """What is painted of a cell; the arrows of `layout` are those of `edges`, then those to the output."""

    kind: str
    edges: tuple[Edge, ...]
    names: dict[int, str]
    ends: tuple[int, ...]  # the inputs, then the output
    layout: Layout

    @classmethod
    def of(cls, genotype, kind):
        edges, outputs = genotype.cells[kind], genotype.outputs.get(kind, ())
        if not edges or not outputs:
            raise InputError(f"The cell {kind!r} has no {'outputs' if edges else 'edges'}; give a complete genotype.")
        targets = {edge.target for edge in edges}
        nodes = sorted({*range(min(targets)), *(edge.source for edge in edges), *targets, *outputs})
        inputs = tuple(node for node in nodes if node not in targets)
        names = _names(kind, nodes, inputs, min(targets))
        arrows = [Arrow(e.source, e.target, _label_width(e.operation), _LABEL_HEIGHT) for e in edges]
        arrows += [Arrow(node, nodes[-1] + 1) for node in outputs]
        ends = (*inputs, nodes[-1] + 1)
        end_width = _STATE_WIDTH if kind == "recurrent" else _END_WIDTH
        widths = {node: end_width if node in ends else _NODE_WIDTH for node in names}
        return cls(kind, edges, names, ends, lay_out(widths, arrows))


def _names(kind, nodes, inputs, first):
    """Node -> its name in the picture; the cell's output is added as the last node."""
    if kind == "recurrent":
        names = {node: str(node) for node in nodes} | dict.fromkeys(inputs, r"$x_t,\,h_{t-1}$")
        return names | {nodes[-1] + 1: "$h_t$"}
    names = {node: str(node - first if len(inputs) > 1 else node) for node in nodes}
    names |= {node: f"$c_{{k-{len(inputs) - index}}}$" for index, node in enumerate(inputs)}
    return names | {nodes[-1] + 1: "$c_k$"}


def _heading(space, kind):
    name = kind if kind.endswith("cell") else f"{kind} cell"
    return name if space == kind else f"{space} \N{MIDDLE DOT} {name}"


def _label_width(operation):
    return len(operation) * _ADVANCE * _LABEL_SIZE + _LABEL_PADDING


def _paint_cell(axes, cell, heading, top):
    axes.text(_MARGIN, top, heading, fontsize=_HEADING_SIZE, fontweight="bold", color=_INK, va="top", parse_math=False)
    colors = [_colors(edge.operation) for edge in cell.edges]
    colors += [(_GRAY, None)] * (len(cell.layout.routes) - len(cell.edges))
    offset = top + _HEADING
    # Gray first, so that the arrows that carry an operation stay whole where they cross one.
    for route, (color, _) in list(zip(cell.layout.routes, colors, strict=True))[::-1]:
        _paint_arrow(axes, [(_MARGIN + x, offset + y) for x, y in route], color)
    label_font = {"fontsize": _LABEL_SIZE, "family": "DejaVu Sans Mono", "parse_math": False}
    for index, edge in enumerate(cell.edges):
        group = f"{cell.kind}-edge-{index}-{edge.operation}-{edge.source}-{edge.target}"
        line, fill = colors[index]
        _paint_box(axes, cell.layout.labels[index], offset, fill, line, edge.operation, group, **label_font)
    for node, name in cell.names.items():
        fill = _END if node in cell.ends else _NODE
        _paint_box(axes, cell.layout.nodes[node], offset, fill, _INK, name, f"{cell.kind}-node-{node}", fontsize=11)


def _colors(operation):
    return next((colors for start, colors in _COLORS.items() if operation.startswith(start)), _OTHER)


def _paint_box(axes, box, offset, fill, line, text, group, **font):
    x, y = _MARGIN + box.x, offset + box.y
    corner = (x - box.width / 2, y - box.height / 2)
    style = f"round,pad=0,rounding_size={min(box.height / 2, 6)}"
    patch = FancyBboxPatch(
        corner, box.width, box.height, style, facecolor=fill, edgecolor=line, linewidth=1.0, zorder=3
    )
    axes.add_patch(patch)
    axes.text(x, y, text, color=_INK, ha="center", va="center_baseline", zorder=4, gid=group, **font)


def _paint_arrow(axes, route, color):
    (tip_x, tip_y), start = route[-1], route[0]
    # The last bend ends where the head begins, so that the head lies on its line.
    route = [*route[:-1], (tip_x - _HEAD_LENGTH, tip_y)]
    vertices, codes = [start], [Path.MOVETO]
    for index, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(route)):
        middle = (x0 + x1) / 2
        curved = index % 2 == 0
        vertices += [(middle, y0), (middle, y1), (x1, y1)] if curved else [(x1, y1)]
        codes += [Path.CURVE4] * 3 if curved else [Path.LINETO]
    # A white rim keeps two arrows that cross apart.
    for line_color, line_width in (("white", 3.6), (color, 1.4)):
        style = {"facecolor": "none", "edgecolor": line_color, "linewidth": line_width, "capstyle": "butt"}
        axes.add_patch(PathPatch(Path(vertices, codes), zorder=1, **style))
    back, half = tip_x - _HEAD_LENGTH, _HEAD_LENGTH / 2.4
    head = [(tip_x, tip_y), (back, tip_y - half), (back, tip_y + half)]
    axes.add_patch(Polygon(head, facecolor=color, edgecolor="none", zorder=2))
