"""The cells that the authors published, by the names of the official code. Imports no TensorFlow.

Source: `sota/cnn/genotypes.py` and `sota/rnn/genotypes.py` of the official code. In `c10_s1_random`, `c10` is the
data set, `s1` the space; `random` stands for SDARTS-RS, `pgd` for SDARTS-ADV and `pcdarts` for PC-DARTS.
"""

import pathlib

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype

_WORDS = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
    "max": "max_pool_3x3",
    "avg": "avg_pool_3x3",
    "skip": "skip_connect",
}


def get(name: str) -> Genotype:
    """A published architecture.

    Args:
        name: one of `NAMES`, for example `"c10_s5_pgd"`.

    Returns:
        Its genotype, with the edges in published order. Image cells have the kinds `normal` and `reduce` and the
        space their name tells (`darts` for `DARTS_V1` and `DARTS_V2`). Recurrent cells have the kind and the space
        `recurrent`: node 0 is the state that input and last hidden state make, node i the i-th block.

    Raises:
        InputError: the name is unknown; the message lists the known ones.

    Example:
        >>> get("c10_s5_pgd").cells["normal"][0]
        Edge(operation='sep_conv_3x3', source=0, target=2)
        >>> get("penn_pgd").count("relu")
        5
    """
    if name in _IMAGE_CELLS:
        nodes = (2, 3, 4, 5)
        cells = {kind: _cell(text, nodes) for kind, text in zip(("normal", "reduce"), _IMAGE_CELLS[name], strict=True)}
        space = "darts" if name.startswith("DARTS") else name.split("_")[1]
        return Genotype(space, cells, dict.fromkeys(cells, nodes))
    if name in _RECURRENT_CELLS:
        text, outputs = _RECURRENT_CELLS[name]
        nodes = range(1, 1 + len(text.split(";")))
        return Genotype("recurrent", {"recurrent": _cell(text, nodes)}, {"recurrent": outputs})
    raise InputError(f"There is no published cell {name!r}; choose from {', '.join(NAMES)}.")


def find(name) -> Genotype:
    """The published architecture called `name`, or the one in the file of that name.

    Raises:
        InputError: there is neither, or the file is no genotype.

    Example:
        >>> find("DARTS_V2") == get("DARTS_V2")
        True
    """
    if name in NAMES:
        return get(name)
    if not pathlib.Path(name).exists():
        raise InputError(f"--genotype={name} is neither a file nor a published cell; choose from {', '.join(NAMES)}.")
    return Genotype.load(name)


def _cell(text, nodes):
    """Reads "operation source, ...; ..." where a semicolon leads to the next node."""
    edges = []
    for target, arriving in zip(nodes, text.split(";"), strict=True):
        for edge in arriving.split(","):
            word, source = edge.split()
            edges.append(Edge(_WORDS.get(word, word), int(source), target))
    return tuple(edges)


# Name -> normal and reduction cell, nodes 2; 3; 4; 5.
_IMAGE_CELLS = {
    "c10_s1_random": (
        "dil5 1, dil3 0; sep3 1, skip 2; dil3 3, sep3 2; sep3 0, dil3 2",
        "max 0, dil3 1; dil5 2, max 1; dil5 3, sep3 1; dil5 2, dil5 3",
    ),
    "c10_s1_pgd": (
        "dil5 1, dil3 0; sep3 1, skip 2; sep3 2, dil3 3; sep3 0, dil3 2",
        "max 0, dil3 1; dil5 2, max 0; dil5 3, dil3 2; dil5 4, dil5 2",
    ),
    "c10_s2_random": (
        "sep3 0, sep3 1; sep3 2, skip 1; sep3 3, skip 0; sep3 1, skip 2",
        "sep3 0, sep3 1; sep3 1, sep3 0; sep3 2, sep3 1; sep3 2, sep3 3",
    ),
    "c10_s2_pgd": (
        "sep3 1, skip 0; sep3 2, sep3 0; sep3 3, sep3 2; sep3 4, sep3 1",
        "skip 0, skip 1; sep3 0, sep3 2; sep3 3, sep3 0; sep3 4, sep3 3",
    ),
    "c10_s3_random": (
        "sep3 1, sep3 0; sep3 1, sep3 0; sep3 1, sep3 2; sep3 4, skip 0",
        "skip 0, sep3 1; sep3 2, sep3 0; sep3 2, sep3 3; sep3 0, sep3 4",
    ),
    "c10_s3_pgd": (
        "sep3 1, sep3 0; sep3 0, sep3 2; sep3 1, sep3 0; sep3 1, skip 0",
        "sep3 1, sep3 0; sep3 2, sep3 0; sep3 2, sep3 0; sep3 1, sep3 3",
    ),
    "c10_s4_random": (
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 3, sep3 2; sep3 4, sep3 2",
        "sep3 0, sep3 1; sep3 0, sep3 2; sep3 0, sep3 3; sep3 0, sep3 4",
    ),
    "c10_s4_pgd": (
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 3, sep3 2; sep3 3, sep3 4",
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 2, sep3 3; sep3 3, sep3 4",
    ),
    "c10_s5_random": (
        "sep3 1, sep3 0; sep5 1, skip 0; sep3 3, skip 1; sep3 1, dil3 2",
        "max 0, sep3 1; skip 2, max 0; dil5 3, max 0; sep3 2, sep5 3",
    ),
    "c10_s5_pgd": (
        "sep3 0, sep3 1; sep3 1, skip 0; sep5 0, dil3 3; dil3 4, skip 0",
        "max 0, sep5 1; skip 2, max 0; skip 3, skip 2; skip 2, sep5 4",
    ),
    "c100_s1_random": (
        "dil3 0, skip 1; dil3 2, sep3 1; dil3 3, sep3 2; skip 0, dil3 4",
        "max 0, max 1; dil5 2, max 1; dil5 3, dil3 2; dil5 4, dil5 3",
    ),
    "c100_s1_pgd": (
        "dil5 1, dil3 0; dil3 2, sep3 1; dil3 3, sep3 2; dil3 2, sep3 0",
        "dil3 1, max 0; dil5 2, max 0; dil5 3, sep3 1; dil5 3, dil5 4",
    ),
    "c100_s2_random": (
        "sep3 0, sep3 1; sep3 2, sep3 0; sep3 3, sep3 2; sep3 4, sep3 3",
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 3, sep3 1; sep3 4, skip 0",
    ),
    "c100_s2_pgd": (
        "skip 0, sep3 1; sep3 2, sep3 1; sep3 3, sep3 2; sep3 4, sep3 3",
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 3, sep3 2; sep3 3, sep3 4",
    ),
    "c100_s3_random": (
        "sep3 1, sep3 0; sep3 1, sep3 2; sep3 1, sep3 0; sep3 4, sep3 1",
        "sep3 0, sep3 1; sep3 2, sep3 1; sep3 3, sep3 2; sep3 4, sep3 3",
    ),
    "c100_s3_pgd": (
        "sep3 0, sep3 1; sep3 0, sep3 1; sep3 1, sep3 2; sep3 2, sep3 1",
        "skip 1, sep3 0; sep3 2, sep3 0; sep3 3, sep3 2; sep3 4, sep3 3",
    ),
    "c100_s4_random": (
        "sep3 0, sep3 1; sep3 2, sep3 0; sep3 2, sep3 3; sep3 3, sep3 2",
        "sep3 0, sep3 1; sep3 2, sep3 0; sep3 3, sep3 2; sep3 4, sep3 3",
    ),
    "c100_s4_pgd": (
        "sep3 0, sep3 1; sep3 0, sep3 1; sep3 1, sep3 0; sep3 0, sep3 2",
        "sep3 0, sep3 1; sep3 1, sep3 0; sep3 1, sep3 3; sep3 3, sep3 4",
    ),
    "svhn_s1_random": (
        "skip 0, dil5 1; skip 1, skip 0; skip 2, skip 0; skip 1, skip 2",
        "max 0, dil3 1; dil5 2, max 0; dil5 3, dil3 2; dil5 2, dil5 3",
    ),
    "svhn_s1_pgd": (
        "dil3 0, dil5 1; dil3 2, dil5 0; dil3 3, sep3 2; skip 1, sep3 0",
        "max 0, dil3 1; dil5 2, max 0; dil5 3, dil3 2; dil5 3, dil5 2",
    ),
    "svhn_s2_random": (
        "sep3 1, skip 0; sep3 2, sep3 0; sep3 3, skip 1; skip 0, sep3 4",
        "sep3 1, skip 0; sep3 2, sep3 1; sep3 3, sep3 2; sep3 3, sep3 4",
    ),
    "svhn_s2_pgd": (
        "skip 0, sep3 1; sep3 1, sep3 2; sep3 0, skip 3; skip 3, skip 4",
        "sep3 1, sep3 0; sep3 1, sep3 0; sep3 3, sep3 0; skip 3, sep3 0",
    ),
    "svhn_s3_random": (
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 1, sep3 3; sep3 4, sep3 2",
        "sep3 1, sep3 0; sep3 2, skip 0; sep3 3, sep3 2; sep3 4, sep3 3",
    ),
    "svhn_s3_pgd": (
        "sep3 1, sep3 0; sep3 0, skip 2; skip 3, sep3 1; skip 2, sep3 0",
        "sep3 1, sep3 0; sep3 1, sep3 2; sep3 2, sep3 1; sep3 1, sep3 4",
    ),
    "svhn_s4_random": (
        "sep3 1, sep3 0; sep3 1, sep3 0; sep3 3, sep3 1; sep3 4, sep3 2",
        "sep3 1, sep3 0; sep3 2, sep3 0; sep3 2, sep3 3; sep3 4, sep3 0",
    ),
    "svhn_s4_pgd": (
        "sep3 1, sep3 0; sep3 0, sep3 1; sep3 0, sep3 1; sep3 0, sep3 1",
        "sep3 1, sep3 0; sep3 1, sep3 2; sep3 2, sep3 0; sep3 0, sep3 1",
    ),
    "c10_s1_pcdarts": (
        "dil5 1, dil3 0; dil5 0, sep3 1; skip 2, max 0; skip 2, skip 0",
        "max 0, max 1; max 1, max 0; sep3 1, max 0; dil5 2, max 0",
    ),
    "c10_s2_pcdarts": (
        "skip 1, sep3 0; skip 0, skip 2; skip 3, sep3 0; skip 3, skip 4",
        "sep3 0, sep3 1; sep3 1, sep3 2; sep3 2, sep3 3; sep3 4, sep3 2",
    ),
    "c10_s3_pcdarts": (
        "sep3 1, sep3 0; sep3 2, sep3 1; sep3 3, sep3 2; skip 4, sep3 2",
        "sep3 0, sep3 1; sep3 0, sep3 2; sep3 0, sep3 3; sep3 0, sep3 4",
    ),
    "c10_s4_pcdarts": (
        "sep3 0, sep3 1; sep3 0, sep3 1; sep3 0, sep3 1; sep3 0, noise 3",
        "sep3 0, sep3 1; sep3 1, sep3 2; sep3 3, sep3 1; sep3 2, sep3 0",
    ),
    "c100_s1_pcdarts": (
        "dil3 0, dil5 1; sep3 1, dil3 2; dil3 3, skip 2; dil3 4, max 1",
        "max 0, dil3 1; dil5 2, max 1; sep3 1, dil3 2; dil5 2, dil5 3",
    ),
    "c100_s2_pcdarts": (
        "sep3 1, skip 0; sep3 1, skip 2; skip 0, sep3 1; sep3 4, skip 3",
        "sep3 1, sep3 0; sep3 2, skip 1; sep3 2, sep3 3; sep3 1, sep3 3",
    ),
    "c100_s3_pcdarts": (
        "sep3 0, sep3 1; sep3 0, skip 2; sep3 0, sep3 3; sep3 1, sep3 4",
        "sep3 0, sep3 1; sep3 0, sep3 2; sep3 1, sep3 3; sep3 1, sep3 4",
    ),
    "c100_s4_pcdarts": (
        "sep3 1, sep3 0; sep3 1, sep3 0; sep3 1, sep3 0; sep3 0, sep3 1",
        "sep3 0, sep3 1; sep3 2, sep3 0; sep3 2, sep3 0; sep3 4, sep3 0",
    ),
    "svhn_s1_pcdarts": (
        "dil3 0, dil5 1; skip 1, skip 2; skip 3, skip 0; skip 2, sep3 0",
        "dil3 1, avg 0; dil5 2, max 0; dil5 3, sep3 1; dil5 4, dil5 3",
    ),
    "svhn_s2_pcdarts": (
        "skip 1, skip 0; skip 2, skip 1; skip 2, skip 1; skip 2, skip 1",
        "sep3 1, sep3 0; skip 0, sep3 2; skip 2, sep3 3; sep3 4, sep3 3",
    ),
    "svhn_s3_pcdarts": (
        "sep3 0, sep3 1; skip 0, skip 2; skip 0, skip 2; skip 0, skip 2",
        "sep3 0, sep3 1; sep3 2, sep3 1; sep3 3, sep3 1; sep3 4, sep3 1",
    ),
    "svhn_s4_pcdarts": (
        "sep3 0, sep3 1; sep3 2, sep3 1; sep3 2, sep3 3; sep3 2, sep3 4",
        "sep3 0, sep3 1; sep3 0, sep3 2; sep3 0, sep3 1; sep3 0, sep3 1",
    ),
    "DARTS_V1": (
        "sep3 1, sep3 0; skip 0, sep3 1; skip 0, sep3 1; sep3 0, skip 2",
        "max 0, max 1; skip 2, max 0; max 0, skip 2; skip 2, avg 0",
    ),
    "DARTS_V2": (
        "sep3 0, sep3 1; sep3 0, sep3 1; sep3 1, skip 0; skip 0, dil3 2",
        "max 0, max 1; skip 2, max 1; max 0, skip 2; skip 2, max 1",
    ),
}

_ALL = (1, 2, 3, 4, 5, 6, 7, 8)

# Name -> blocks 1; 2; ... and the blocks whose mean is the output. The cells of DARTS are called like its image cells
# in their own file, hence `rnn_` here.
_RECURRENT_CELLS = {
    "ENAS": (
        "tanh 0; tanh 1; relu 1; tanh 3; tanh 3; relu 3; relu 4; relu 7; relu 8; relu 8; relu 8",
        (2, 5, 6, 9, 10, 11),
    ),
    "rnn_DARTS_V1": ("relu 0; relu 1; tanh 2; relu 3; relu 4; identity 1; relu 5; relu 1", _ALL),
    "rnn_DARTS_V2": ("sigmoid 0; relu 1; relu 1; identity 1; tanh 2; sigmoid 5; tanh 3; relu 5", _ALL),
    "rnn_DARTS": ("sigmoid 0; relu 1; relu 1; identity 1; tanh 2; sigmoid 5; tanh 3; relu 5", _ALL),
    "penn_random": ("sigmoid 0; sigmoid 1; identity 2; sigmoid 1; tanh 2; tanh 2; sigmoid 0; sigmoid 3", _ALL),
    "penn_pgd": ("relu 0; relu 1; tanh 2; relu 3; identity 2; relu 1; tanh 2; relu 7", _ALL),
}

NAMES = (*_IMAGE_CELLS, *_RECURRENT_CELLS)
