"""Where the parts of a cell's picture go: a layered layout in which nothing can lie on anything else.

Nodes stand in columns, every node to the right of the nodes it reads; between two columns of nodes is a column of
labels. An arrow owns a slot in every column that it passes, one of which holds its label. The slots of a column are
stacked without touching, and arrows bend between columns only, so that they may cross one another but never a label
or a node (Sugiyama, Tagawa & Toda, 1981). Lengths are points (1/72 inch); y grows downwards. NumPy only.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

_SWEEPS = 24
_STRAIGHT, _NEAR = 6.0, 2.0
_GAP = 7.0  # between neighbors of a column
_PORT = 10.0  # between the arrows at one side of a node


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle: its center and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Arrow:
    """An arrow to lay out, from one node to another; a label of width 0 takes no place."""

    source: int
    target: int
    label_width: float = 0.0
    label_height: float = 0.0


@dataclasses.dataclass(frozen=True)
class Layout:
    """A finished layout, whose upper left corner is (0, 0).

    Args:
        nodes: node -> its box.
        labels: for every arrow the box of its label, or None.
        routes: for every arrow its points (x, y). It runs in curves from point 0 to 1, 2 to 3, ... and straight from
            1 to 2, 3 to 4, ...; the first lies on the edge of its source's box, the last on that of its target's.
        width, height: of the whole.
    """

    nodes: Mapping[int, Box]
    labels: tuple[Box | None, ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def lay_out(node_widths: Mapping[int, float], arrows: Sequence[Arrow]) -> Layout:
    """Places the nodes and arrows of a picture; the same input gives the same layout.

    Args:
        node_widths: node -> width of its box. Nodes without arriving arrows stand at the left, in this order.
        arrows: at least one, without cycles.

    Returns:
        The layout.

    Example:
        >>> layout = lay_out({0: 20, 1: 20}, [Arrow(0, 1, label_width=50, label_height=15)])
        >>> layout.nodes[0].x < layout.labels[0].x < layout.nodes[1].x
        True
    """
    layers = _layers(node_widths, arrows)
    slots = {node: _Slot(2 * layers[node], width, _node_height(node, arrows)) for node, width in node_widths.items()}
    chains = _chains(slots, arrows, layers)
    everything = [*slots.values(), *(slot for chain in chains for slot in chain[1:-1])]
    columns = [[slot for slot in everything if slot.column == c] for c in range(2 * max(layers.values()) + 1)]
    for chain in chains:
        for left, right in itertools.pairwise(chain):
            left.after.append(right)
            right.before.append(left)
    _order(columns)
    _stack(columns)
    _straighten(columns, chains)
    _spread(columns, chains)
    top = min(slot.y - slot.height / 2 for slot in everything)
    for slot in everything:
        slot.y -= top
    return Layout(
        nodes={node: slot.box() for node, slot in slots.items()},
        labels=tuple(next((slot.box() for slot in chain[1:-1] if slot.height), None) for chain in chains),
        routes=tuple(_route(chain) for chain in chains),
        width=max(slot.x + slot.width / 2 for slot in columns[-1]),
        height=max(slot.y + slot.height / 2 for slot in everything),
    )


@dataclasses.dataclass(eq=False)
class _Slot:
    """A place in a column: a node, a label, or an arrow that passes (height 0)."""

    column: int
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    column_width: float = 0.0
    before: list["_Slot"] = dataclasses.field(default_factory=list)
    after: list["_Slot"] = dataclasses.field(default_factory=list)

    def box(self):
        return Box(self.x, self.y, self.width, self.height)

    def passes(self):
        return len(self.before) == len(self.after) == 1

    def port(self, neighbor):
        """Where the arrow from or to `neighbor` ends, below (or, negative, above) the middle of this slot."""
        side = self.before if neighbor in self.before else self.after
        if len(side) == 1:
            return 0.0
        order = sorted(side, key=lambda slot: slot.y)
        return _PORT * (order.index(neighbor) - (len(order) - 1) / 2)


def _layers(nodes, arrows):
    """Node -> length of the longest path that leads to it."""
    layers = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for arrow in arrows:
            layers[arrow.target] = max(layers[arrow.target], layers[arrow.source] + 1)
    return layers


def _node_height(node, arrows):
    most = max(sum(arrow.source == node for arrow in arrows), sum(arrow.target == node for arrow in arrows))
    return max(26.0, 12.0 + _PORT * (most - 1))


def _chains(slots, arrows, layers):
    """For every arrow its slots from source to target; its label stands in the emptiest column that it passes."""
    num_labels = [0] * (2 * max(layers.values()) + 1)
    chains = [None] * len(arrows)
    # Short arrows have no choice, so they choose first.
    for index in sorted(range(len(arrows)), key=lambda i: layers[arrows[i].target] - layers[arrows[i].source]):
        arrow = arrows[index]
        passed = range(2 * layers[arrow.source] + 1, 2 * layers[arrow.target])
        chain = {column: _Slot(column, 0.0, 0.0) for column in passed}
        if arrow.label_width:
            column = min(passed[::2], key=lambda column: num_labels[column])
            num_labels[column] += 1
            chain[column] = _Slot(column, arrow.label_width, arrow.label_height)
        chains[index] = [slots[arrow.source], *chain.values(), slots[arrow.target]]
    return chains


def _order(columns):
    """Orders each column (but the first) so that few arrows cross: barycenters, then swaps of neighbors."""
    best, fewest = [list(column) for column in columns], _count_crossings(columns)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns[1:] if forward else columns[-2:0:-1]:
            place = {slot: index for column in columns for index, slot in enumerate(column)}
            # A slot without neighbors on that side keeps its place.
            column.sort(
                key=lambda slot: np.mean([place[s] for s in (slot.before if forward else slot.after) or [slot]])
            )
        _swap_neighbors(columns)
        crossings = _count_crossings(columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best


def _swap_neighbors(columns):
    for index, column in enumerate(columns[1:], start=1):
        around = columns[index - 1 : index + 2]
        for i in range(len(column) - 1):
            before = _count_crossings(around)
            column[i], column[i + 1] = column[i + 1], column[i]
            if _count_crossings(around) >= before:
                column[i], column[i + 1] = column[i + 1], column[i]


def _count_crossings(columns):
    total = 0
    for left, right in itertools.pairwise(columns):
        place = {slot: index for index, slot in enumerate(right)}
        ends = [sorted(place[s] for s in slot.after) for slot in left]
        total += sum(a > b for i, upper in enumerate(ends) for lower in ends[i + 1 :] for a in upper for b in lower)
    return total


def _stack(columns):
    """Sets y: every slot near the mean of its neighbors, the slots of a column apart from one another."""
    for column in columns:
        gaps = [(a.height + b.height) / 2 + _GAP for a, b in itertools.pairwise(column)]
        offsets = np.concatenate([[0.0], np.cumsum(gaps)])
        for slot, offset in zip(column, offsets - offsets.mean(), strict=True):
            slot.y = float(offset)
    for sweep in range(4 * _SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            wanted, weights = zip(*(_wanted(slot) for slot in column), strict=True)
            gaps = [(a.height + b.height) / 2 + _GAP for a, b in itertools.pairwise(column)]
            for slot, y in zip(column, apart(wanted, weights, gaps), strict=True):
                slot.y = float(y)


def _wanted(slot):
    """The y that a slot wants, and how much.

    A bend in the middle of an arrow looks worse than one at a node. Dividing by the distance turns the sum of squares
    into a sum of distances, whose best layouts have few bends (large ones) instead of many small ones.
    """
    neighbors = slot.before + slot.after
    if not neighbors:  # an input that nothing reads
        return slot.y, 1.0
    heights = [neighbor.y + neighbor.port(slot) - slot.port(neighbor) for neighbor in neighbors]
    weights = [
        (_STRAIGHT if slot.passes() and neighbor.passes() else 1.0) / (_NEAR + abs(y - slot.y))
        for neighbor, y in zip(neighbors, heights, strict=True)
    ]
    return float(np.average(heights, weights=weights)), sum(weights)


def apart(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> np.ndarray:
    """The positions nearest to the wanted ones (weighted least squares) that keep their order and the gaps.

    Args:
        wanted: a position each.
        weights: how much each wants it; positive.
        gaps: least distance from each to the next, one fewer than positions.

    Source:
        Isotonic regression by pooling adjacent violators, after subtracting the gaps.

    Example:
        >>> apart([0.0, 0.0], [1.0, 1.0], [2.0]).tolist()
        [-1.0, 1.0]
    """
    offsets = np.concatenate([[0.0], np.cumsum(gaps)])
    pools: list[list[float]] = []  # mean, weight, number of members
    for value, weight in zip(np.asarray(wanted) - offsets, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, u, m), (b, v, n) = pools.pop(-2), pools.pop(-1)
            pools.append([(a * u + b * v) / (u + v), u + v, m + n])
    return np.repeat([mean for mean, _, _ in pools], [int(number) for _, _, number in pools]) + offsets


def _straighten(columns, chains):
    """Gives runs of slots of one arrow the same y wherever their neighbors in the columns leave room for it."""
    place = {slot: (column, index) for column in columns for index, slot in enumerate(column)}
    for chain in chains:
        run, low, high = [], -np.inf, np.inf
        for slot in [*chain[1:-1], None]:
            above, below = _room(slot, *place[slot]) if slot else (np.inf, -np.inf)
            if run and max(low, above) > min(high, below):
                y = float(np.clip(np.mean([member.y for member in run]), low, high))
                for member in run:
                    member.y = y
                run, low, high = [], -np.inf, np.inf
            run, low, high = [*run, slot], max(low, above), min(high, below)


def _room(slot, column, index):
    """The least and the largest y that keep a slot apart from its neighbors in the column."""
    reach = [(slot.height + other.height) / 2 + _GAP for other in column]
    low = column[index - 1].y + reach[index - 1] if index else -np.inf
    return low, (column[index + 1].y - reach[index + 1] if index + 1 < len(column) else np.inf)


def _spread(columns, chains):
    """Sets x: the steeper the arrows between two columns, the further apart they stand."""
    right = 0.0
    for index, column in enumerate(columns):
        width = max(slot.width for slot in column)
        if index:
            rise = max((abs(s.y - slot.y) for slot in column for s in slot.before), default=0.0)
            right += float(np.clip(10 + 0.35 * rise, 18, 56))
        for slot in column:
            slot.x, slot.column_width = right + width / 2, width
        right += width


def _route(chain):
    source, target = chain[0], chain[-1]
    points = [(source.x + source.width / 2, source.y + source.port(chain[1]))]
    for slot in chain[1:-1]:
        if slot.column_width:  # a column without labels leaves room for one long bend
            points += [(slot.x - slot.column_width / 2, slot.y), (slot.x + slot.column_width / 2, slot.y)]
    return (*points, (target.x - target.width / 2, target.y + target.port(chain[-2])))
