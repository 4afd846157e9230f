"""Figures of matplotlib as SVG that stands inside an HTML page."""

import hashlib
import io
import re
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib.style
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, GRAY = "#1f2933", "#8a94a0"
# Letters stay text, which is small, can be searched for and is read aloud; no mathematics in a run's name.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sdarts_tf",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRAY,
    "axes.titlesize": 9,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "image.interpolation": "none",
}


def paint(draw: Callable[[Figure], None], size: tuple[float, float], alt: str) -> Markup:
    """Paints a figure.

    Args:
        draw: draws on an empty figure.
        size: width and height, inches.
        alt: what is to be seen, for those who do not see it.

    Returns:
        An `<svg>` element; the same figure gives the same text.
    """
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # The browser has the letters that matplotlib's font, which only measures here, has not.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, dpi=96, metadata={"Date": None, "Creator": None})
    return inline(file.getvalue(), alt)


def inline(svg: bytes, alt: str) -> Markup:
    """An SVG file as an element of an HTML page.

    It scales with its place, is one picture for screen readers, and has no id in common with another one.

    Args:
        svg: a file that matplotlib wrote.
        alt: what is to be seen; not the same as that of another picture on the page.

    Example:
        >>> inline(b'<svg xmlns="http://www.w3.org/2000/svg" id="a" viewBox="0 0 9 9"><g id="b"/></svg>', "Nine")
        Markup('<svg viewBox="0 0 9 9" role="img" aria-label="Nine"><g /></svg>')
    """
    root = ElementTree.fromstring(svg)
    used = set(re.findall(rb'(?:url\(#|href="#)([^")]+)', svg))
    prefix = f"f{hashlib.sha256(alt.encode()).hexdigest()[:10]}-"
    for parent in root.iter():
        for child in list(parent):
            # The style would hold for the whole page, which has the same rules.
            if _local(child.tag) in ("metadata", "style", "title"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(name): value for name, value in element.attrib.items()}
        identifier = attributes.pop("id", None)
        element.attrib.clear()
        for name, value in attributes.items():
            element.set(name, re.sub(r"^#" if name == "href" else r"(?<=url\()#", f"#{prefix}", value))
        if identifier is not None and identifier.encode() in used:
            element.set("id", prefix + identifier)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(name):
    """A name without its namespace, which HTML adds by itself."""
    return name.rpartition("}")[2]
