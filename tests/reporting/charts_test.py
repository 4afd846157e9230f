"""What is painted where: the pixels of maps, the colors of runs."""

import base64
import io
import re

import matplotlib
import numpy as np
from matplotlib.image import imread

from sdarts_tf.reporting import charts
from sdarts_tf.reporting.charts import Series


def images(picture):
    """Every image of an SVG: pixels `[rows, columns, 4]` as they appear, the first row on top."""
    found = []
    for tag in re.findall(r"<image [^>]*>", picture):
        pixels = imread(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]*)", tag)[1])), format="png")
        transform = re.search(r'transform="([^"]*)"', tag)
        if transform:
            # An image is turned over by a negative scale in y.
            scales = [float(s) for s in re.findall(r"scale\(\S+ (\S+)\)", transform[1])]
            scales += [float(d) for d in re.findall(r"matrix\(\S+ \S+ \S+ (\S+) \S+ \S+\)", transform[1])]
            if np.prod(scales) < 0:
                pixels = pixels[::-1]
        found.append(pixels)
    return found


def values_of(pixels, limits):
    """The inverse of the color map, to a 256th."""
    colors = matplotlib.colormaps["cividis"](np.arange(256))[:, :3]
    distance = np.abs(pixels[:, :, None, :3] - colors).sum(-1)
    return limits[0] + distance.argmin(-1) / 255 * (limits[1] - limits[0])


def test_a_heat_map_has_a_row_for_each_candidate_and_a_column_for_each_epoch():
    shares = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.7, 0.1, 0.2], [0.9, 0.0, 0.1]])
    chart = charts.shares("0 -> 2", "run, normal", shares, ("a", "b", "c"), (0, 1, 2, 3), (0.0, 1.0), kept="b")
    (pixels,) = images(chart.picture)
    assert pixels.shape[:2] == (3, 4)
    np.testing.assert_allclose(values_of(pixels, (0, 1)), shares.T, atol=0.006)
    assert chart.title == "0 -> 2, kept"


def test_a_landscape_has_its_first_row_at_the_bottom():
    loss = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    survey = {"domain": "alpha", "x": [-1, 0, 1], "y": [0, 2], "directions": ["right", "up"], "loss": loss}
    chart = charts.landscape("Loss", survey, "loss", (1.0, 9.0))
    pixels = next(each for each in images(chart.picture) if each.shape[:2] == (2, 3))
    np.testing.assert_allclose(values_of(pixels, (1, 9)), loss[::-1], atol=0.04)
    assert "right by up. From 1 to 9, 2 in the middle." in chart.picture


def test_a_run_has_the_same_color_in_every_chart():
    def colors(chart):
        return set(re.findall(r"stroke: (#\w{6}); stroke-width: 1.5", chart.picture)) - {"#8a94a0"}

    both = [Series("a", (1, 2), (0.1, 0.2)), Series("b", (1, 2), (0.2, 0.3))]
    assert colors(charts.lines("Both", both, ("a", "b"))) == {"#0072b2", "#d55e00"}
    assert colors(charts.lines("One", both[1:], ("a", "b"))) == {"#d55e00"}


def test_bars_tell_their_percentages():
    groups = {"a": {"mixture": 0.9, "pruned": 0.25}, "b": {"mixture": 0.8, "pruned": 0.5}}
    chart = charts.bars("Gap", groups, ("a", "b"))
    assert [number in chart.picture for number in (">90.0<", ">25.0<", ">80.0<", ">50.0<")] == [True] * 4
    assert (
        'aria-label="Bar chart, Gap. a: mixture 90.0%, pruned 25.0%; b: mixture 80.0%, pruned 50.0%."' in chart.picture
    )
