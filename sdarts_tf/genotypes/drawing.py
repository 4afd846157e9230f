"""The cells of a genotype as a picture (SVG and PNG) and as text. Imports no TensorFlow."""

import os
import pathlib
import tempfile

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype


def describe(genotype: Genotype) -> str:
    """The genotype as text for a terminal: one line for every computed node.

    Args:
        genotype: any genotype.

    Returns:
        Lines without a final line break; nodes are numbered as in the genotype.

    Example:
        >>> from sdarts_tf.genotypes.genotype import Edge
        >>> cell = (Edge("sep_conv_3x3", 0, 2), Edge("skip_connect", 1, 2))
        >>> print(describe(Genotype("s2", {"normal": cell}, {"normal": (2,)})))
        normal  node 2 <- sep_conv_3x3(0) + skip_connect(1)
    """
    column = max((len(kind) for kind in genotype.cells), default=0)
    lines = []
    for kind, edges in genotype.cells.items():
        for node in sorted({edge.target for edge in edges}):
            terms = [f"{edge.operation}({edge.source})" for edge in edges if edge.target == node]
            lines.append(f"{kind:{column}}  node {node} <- {' + '.join(terms)}")
    return "\n".join(lines)


def draw(genotype: Genotype, path_prefix) -> list[pathlib.Path]:
    """Draws all cells of a genotype, one below the other, as SVG and as PNG.

    Every cell is a graph from left to right: its inputs c_{k-2} and c_{k-1}, its nodes, its output c_k. As in the
    figures of the DARTS paper the computed nodes of a cell with two inputs are numbered from 0, so that node 2 of the
    genotype is called 0; a cell with one input keeps the genotype's numbers. Arrows carry the operations; gray ones
    lead to the output. The same genotype gives the same bytes.

    Args:
        genotype: at least one cell, each with edges.
        path_prefix: the files' path without suffix; missing folders are created.

    Returns:
        `[<prefix>.svg, <prefix>.png]`. Both are written to a temporary name and renamed.

    Raises:
        InputError: a cell has no edges or no outputs, or the files cannot be written.

    Example:
        >>> from sdarts_tf.genotypes import published
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in draw(published.get("DARTS_V2"), f"{folder}/cell")]
        ['cell.svg', 'cell.png']
    """
    # Imported here: a command that only prints describe() must not wait for matplotlib.
    from sdarts_tf.genotypes import painting

    prefix = pathlib.Path(path_prefix)
    pictures = {".svg": painting.paint(genotype, "svg"), ".png": painting.paint(genotype, "png")}
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        return [_write(prefix.with_name(prefix.name + suffix), content) for suffix, content in pictures.items()]
    except OSError as error:
        raise InputError(f"Cannot write the picture {str(prefix)!r} ({error}); give another path.") from error


def _write(path, content):
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp makes a file that only its owner can read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
