import io
import os
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib.image
import matplotlib.style
import numpy as np
import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import drawing, painting, published
from sdarts_tf.genotypes.genotype import Edge, Genotype

DARTS = published.get("DARTS_V2")
ONE_INPUT = Genotype(
    "nasbench201",
    {
        "cell": (
            Edge("nor_conv_3x3", 0, 1),
            Edge("none", 0, 2),
            Edge("nor_conv_1x1", 1, 2),
            Edge("skip_connect", 0, 3),
            Edge("none", 1, 3),
            Edge("avg_pool_3x3", 2, 3),
        )
    },
    {"cell": (3,)},
)


def ids_of(svg):
    return [element.get("id") for element in ElementTree.fromstring(svg).iter() if element.get("id")]


def test_describe_lists_every_node():
    assert drawing.describe(DARTS).splitlines()[3:5] == [
        "normal  node 5 <- skip_connect(0) + dil_conv_3x3(2)",
        "reduce  node 2 <- max_pool_3x3(0) + max_pool_3x3(1)",
    ]
    assert len(drawing.describe(DARTS).splitlines()) == 8


def test_describe_aligns_kinds_of_different_length():
    cell = (Edge("tanh", 0, 1),)
    text = drawing.describe(Genotype("x", {"a": cell, "long": cell}, {}))
    assert text == "a     node 1 <- tanh(0)\nlong  node 1 <- tanh(0)"


@pytest.mark.parametrize("genotype", [DARTS, ONE_INPUT, published.get("ENAS")], ids=["darts", "one_input", "enas"])
def test_svg_holds_every_edge_and_node_once(genotype, tmp_path):
    svg, png = drawing.draw(genotype, tmp_path / "cell")
    assert (svg.name, png.name) == ("cell.svg", "cell.png")
    ids = ids_of(svg.read_bytes())
    assert len(ids) == len(set(ids))
    for kind, edges in genotype.cells.items():
        drawn = [i for i in ids if i.startswith(f"{kind}-edge-")]
        assert drawn == [f"{kind}-edge-{n}-{e.operation}-{e.source}-{e.target}" for n, e in enumerate(edges)]
        # All nodes from the inputs to the last one, and the output.
        num_nodes = 1 + max(edge.target for edge in edges)
        assert [i for i in ids if i.startswith(f"{kind}-node-")] == [f"{kind}-node-{n}" for n in range(num_nodes + 1)]


def test_png_has_a_sensible_size_and_ink(tmp_path):
    _, png = drawing.draw(DARTS, tmp_path / "cell")
    pixels = matplotlib.image.imread(png)
    height, width, _ = pixels.shape
    assert 600 < width < 2000 and 500 < height < 1500
    assert 0.02 < np.mean(pixels[..., :3].min(axis=-1) < 0.95) < 0.3
    border = np.concatenate([pixels[:8].ravel(), pixels[-8:].ravel(), pixels[:, :8].ravel(), pixels[:, -8:].ravel()])
    assert (border == 1).all()


@pytest.mark.parametrize("file_format", ["svg", "png"])
def test_same_genotype_same_bytes_whatever_the_users_style(file_format):
    first = painting.paint(ONE_INPUT, file_format)
    with matplotlib.style.context({"font.size": 30, "lines.linewidth": 5, "svg.fonttype": "none", "axes.grid": True}):
        assert painting.paint(ONE_INPUT, file_format) == first
    other = Genotype("nasbench201", {"cell": ONE_INPUT.cells["cell"][:-1]}, ONE_INPUT.outputs)
    assert painting.paint(other, file_format) != first


def test_bytes_do_not_depend_on_the_process():
    program = (
        "import hashlib; from sdarts_tf.genotypes import painting, published;"
        "print(hashlib.sha256(painting.paint(published.get('DARTS_V2'), 'svg')).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_names_of_operations_are_verbatim():
    """Neither an underscore nor a dollar sign is read as mathematics, where this one would be an error."""
    genotype = Genotype("x", {"normal": (Edge("a_$\\b$_<c>", 0, 1),)}, {"normal": (1,)})
    assert "normal-edge-0-a_$\\b$_<c>-0-1" in ids_of(painting.paint(genotype, "svg"))


def test_longer_names_get_wider_pictures():
    def width(name):
        cell = (Edge(name, 0, 2), Edge(name, 1, 2))
        png = painting.paint(Genotype("x", {"normal": cell}, {"normal": (2,)}), "png")
        return matplotlib.image.imread(io.BytesIO(png)).shape[1]

    # 20 letters of 8.5 points at 0.602, at 160 dots per inch, by which the bends may add a little.
    assert width("x" * 40) - width("x" * 20) == pytest.approx(20 * 8.5 * 0.602 * 160 / 72, abs=2)


def test_makes_missing_folders_and_keeps_dots(tmp_path):
    paths = drawing.draw(ONE_INPUT, f"{tmp_path}/runs/a.b")
    assert paths == [tmp_path / "runs" / "a.b.svg", tmp_path / "runs" / "a.b.png"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a.b.png", "a.b.svg"]


@pytest.mark.parametrize(
    ("cells", "outputs", "message"),
    [
        ({}, {}, "This genotype has no cells"),
        ({"normal": ()}, {"normal": (2,)}, "The cell 'normal' has no edges"),
        ({"normal": (Edge("noise", 0, 2),)}, {}, "The cell 'normal' has no outputs"),
    ],
)
def test_refuses_what_cannot_be_drawn_and_writes_nothing(cells, outputs, message, tmp_path):
    with pytest.raises(InputError, match=message):
        drawing.draw(Genotype("s2", cells, outputs), tmp_path / "cell")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"Cannot write the picture .*file.cell"):
        drawing.draw(ONE_INPUT, tmp_path / "file" / "cell")


def test_a_failure_leaves_the_old_files_and_nothing_else(tmp_path, monkeypatch):
    for path in drawing.draw(ONE_INPUT, tmp_path / "cell"):
        path.write_bytes(b"old")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="disk full"):
        drawing.draw(ONE_INPUT, tmp_path / "cell")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"cell.svg": b"old", "cell.png": b"old"}


def test_needs_neither_tensorflow_nor_pyplot():
    program = (
        "import sys; from sdarts_tf.genotypes import drawing, published; drawing.describe(published.get('DARTS_V1'));"
        "assert 'matplotlib' not in sys.modules;"
        "from sdarts_tf.genotypes import painting; painting.paint(published.get('DARTS_V1'), 'png');"
        "assert not {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
