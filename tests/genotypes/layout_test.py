import itertools

import numpy as np
import pytest

from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.layout import Arrow, apart, lay_out


def touches(a, b):
    return abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2


def points_of(route):
    """The points of an arrow as it is painted: bends (horizontal at both ends) and straight pieces, in turn."""
    for index, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(route)):
        t = np.linspace(0.0, 1.0, 40)
        rise = t**2 * (3 - 2 * t) if index % 2 == 0 else t
        x = (3 * t * (1 - t) * (x0 + x1) / 2 + (1 - t) ** 3 * x0 + t**3 * x1) if index % 2 == 0 else x0 + t * (x1 - x0)
        yield from zip(x, y0 + rise * (y1 - y0), strict=True)


def arrows_of(edges, outputs):
    output = max(edge.target for edge in edges) + 1
    widths = dict.fromkeys(range(output + 1), 26.0)
    arrows = [Arrow(edge.source, edge.target, 8.0 * len(edge.operation), 16.0) for edge in edges]
    return widths, arrows + [Arrow(node, output) for node in outputs]


@pytest.mark.parametrize("name", published.NAMES)
def test_nothing_lies_on_anything_else(name):
    genotype = published.get(name)
    for kind, edges in genotype.cells.items():
        widths, arrows = arrows_of(edges, genotype.outputs[kind])
        layout = lay_out(widths, arrows)
        boxes = [*layout.nodes.values(), *(label for label in layout.labels if label)]
        assert not any(touches(a, b) for a, b in itertools.combinations(boxes, 2))
        for arrow, label, route in zip(arrows, layout.labels, layout.routes, strict=True):
            own = [layout.nodes[arrow.source], layout.nodes[arrow.target], label]
            others = [box for box in boxes if box not in own]
            for x, y in points_of(route):
                assert not any(abs(x - b.x) < b.width / 2 and abs(y - b.y) < b.height / 2 for b in others)
        for box in boxes:
            assert box.x - box.width / 2 >= 0 and box.x + box.width / 2 <= layout.width + 1e-9
            assert box.y - box.height / 2 >= -1e-9 and box.y + box.height / 2 <= layout.height + 1e-9


def test_arrows_lead_from_left_to_right_through_their_labels():
    genotype = published.get("c10_s1_pgd")
    widths, arrows = arrows_of(genotype.cells["reduce"], genotype.outputs["reduce"])
    layout = lay_out(widths, arrows)
    for arrow, label, route in zip(arrows, layout.labels, layout.routes, strict=True):
        source, target = layout.nodes[arrow.source], layout.nodes[arrow.target]
        assert route[0][0] == source.x + source.width / 2 and route[-1][0] == target.x - target.width / 2
        assert abs(route[0][1] - source.y) < source.height / 2 and abs(route[-1][1] - target.y) < target.height / 2
        assert all(a[0] <= b[0] for a, b in itertools.pairwise(route))
        if label:
            assert any(y == label.y for _, y in route)


def test_a_chain_is_straight():
    layout = lay_out({0: 20.0, 1: 20.0, 2: 20.0}, [Arrow(0, 1, 50.0, 15.0), Arrow(1, 2, 50.0, 15.0)])
    assert len({round(box.y, 9) for box in [*layout.nodes.values(), *layout.labels]}) == 1


def test_a_node_that_nothing_reads_lies_on_nothing():
    layout = lay_out(dict.fromkeys(range(3), 20.0), [Arrow(0, 2, 50.0, 15.0)])
    unread, read = layout.nodes[1], layout.nodes[0]
    assert unread.x == read.x and abs(unread.y - read.y) > (unread.height + read.height) / 2


def test_a_long_arrow_bends_only_where_something_is_in_its_way():
    """Node 2 of ENAS's cell passes ten columns on its way to the output, above all others."""
    genotype = published.get("ENAS")
    widths, arrows = arrows_of(genotype.cells["recurrent"], genotype.outputs["recurrent"])
    layout = lay_out(widths, arrows)
    route = layout.routes[arrows.index(Arrow(2, 12))]
    assert len(route) > 8
    assert len({y for _, y in route[1:-1]}) == 1


def test_crossings_that_can_be_avoided_are_avoided():
    """Nodes 2 and 3 read the inputs in the other order, so they change places."""
    layout = lay_out(dict.fromkeys(range(4), 20.0), [Arrow(0, 3, 50.0, 15.0), Arrow(1, 2, 50.0, 15.0)])
    assert layout.nodes[0].y < layout.nodes[1].y
    assert layout.nodes[3].y < layout.nodes[2].y


def test_apart_pushes_evenly_and_by_weight():
    assert apart([0.0, 10.0], [1.0, 1.0], [2.0]).tolist() == [0.0, 10.0]
    assert apart([0.0, 0.0], [1.0, 1.0], [2.0]).tolist() == [-1.0, 1.0]
    assert apart([0.0, 0.0], [3.0, 1.0], [2.0]).tolist() == [-0.5, 1.5]
    assert apart([5.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0]).tolist() == [2.0, 2.0, 2.0]
