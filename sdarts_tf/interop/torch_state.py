"""Official PyTorch state dicts <-> the variables of a supernet or of a derived network.

Names: `sota/cnn/model_search.py` and `operations.py`, `sota/rnn/model.py` of the official code. One of our variables
may hold the weights of several edges, and one of our batch normalizations may stand for several official ones that see
the same numbers.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np

from sdarts_tf import spaces
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers import blocks, operations
from sdarts_tf.spaces import nasbench1shot1, nasbench201, nasbench201_cells
from sdarts_tf.spaces.recurrent import LanguageModel


def _convolution(array):
    return array.transpose(2, 3, 1, 0)


def _depthwise(array):
    return array.transpose(2, 3, 0, 1)


def _linear(array):
    return array.transpose()


def _vector(array):
    return array


# Layout -> (from PyTorch's axes to ours, back, our axis along which edges are joined).
_LAYOUTS: dict[str, tuple[Callable, Callable, int]] = {
    "convolution": (_convolution, lambda array: array.transpose(3, 2, 0, 1), 3),
    "depthwise": (_depthwise, lambda array: array.transpose(2, 3, 0, 1), 2),
    "linear": (_linear, _linear, 1),
    "vector": (_vector, _vector, 0),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of our variables and the official tensors that it holds.

    Args:
        variable: a Keras variable.
        names: official names, one for each edge, in the order in which the edges are joined.
        layout: a key of `_LAYOUTS`.
        copies: official names that hold the same numbers as `names[0]`.
    """

    variable: keras.Variable
    names: tuple[str, ...]
    layout: str
    copies: tuple[str, ...] = ()

    @property
    def official_shape(self) -> tuple[int, ...]:
        """The shape of each official tensor."""
        return next(iter(self.split(np.empty(self.variable.shape, bool)).values())).shape

    def join(self, tensors: list[np.ndarray]) -> np.ndarray:
        """Official tensors, in the order of `names`, as one array in our layout."""
        to_ours, _, axis = _LAYOUTS[self.layout]
        return np.concatenate([to_ours(tensor) for tensor in tensors], axis=axis)

    def split(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `join`, by name, copies included."""
        _, to_official, axis = _LAYOUTS[self.layout]
        pieces = np.split(np.asarray(array), len(self.names), axis=axis)
        parts = {name: to_official(piece) for name, piece in zip(self.names, pieces, strict=True)}
        return parts | dict.fromkeys(self.copies, parts[self.names[0]])


def entries(model) -> Iterator[Entry]:
    """How the variables of a supernet or of a derived network stand in the official state dict."""
    if isinstance(model, LanguageModel):
        yield from _language_model(model)
        return
    if isinstance(model, nasbench1shot1.Supernet):
        yield from _one_shot(model)
        return
    if isinstance(model.stem, blocks.LargeImageStem):
        yield from _large_image_stem(model.stem)
    else:
        yield Entry(model.stem.kernel, ("stem.0.weight",), "convolution")
        yield from _normalization(model.stem.normalization, ["stem.1"])
    for index, cell in enumerate(model.cells):
        prefix = f"cells.{index}"
        if isinstance(cell, blocks.ResidualReduction):
            yield from _residual_reduction(cell, prefix)
            continue
        if isinstance(cell, nasbench201.SearchCell):
            for operation, places in _operations(cell, _nasbench201_place):
                yield from _operation(operation, [f"{prefix}.edges.{place}" for place in places])
            continue
        for number, layer in enumerate(cell.preprocess):
            yield from _preprocess(layer, [f"{prefix}.preprocess{number}"])
        for operation, places in _operations(cell):
            yield from _operation(operation, [f"{prefix}._ops.{place}" for place in places])
    if getattr(model, "auxiliary_head", None) is not None:
        yield from _auxiliary_head(model.auxiliary_head)
    if hasattr(model, "normalization"):
        yield from _normalization(model.normalization, ["lastact.0"])
    yield from _classifier(model.classifier, "classifier")


def _language_model(model):
    matrices = model.cell.matrices
    # The matrices of the cell are multiplied from the right officially too, so no axis moves.
    yield Entry(model.embedding, ("encoder.weight",), "vector", copies=("decoder.weight",))
    yield Entry(model.bias, ("decoder.bias",), "vector")
    yield Entry(matrices.first, ("rnns.0._W0",), "vector")
    for number, matrix in enumerate(matrices.blocks):
        yield Entry(matrix, (f"rnns.0._Ws.{number}",), "vector")
    if hasattr(model.cell, "normalization"):
        yield from _normalization(model.cell.normalization, ["rnns.0.bn"])


def _one_shot(model):
    yield from _conv_batch_norm(model.stem, ["stem"])
    for index, cell in enumerate(model.cells):
        prefix, number = f"cells.{index}", len(cell.blocks)
        yield from _conv_batch_norm(cell.projections, [f"{prefix}._input_projections.{i}" for i in range(number)])
        yield from _conv_batch_norm(cell.output_projection, [f"{prefix}._input_projections.{number}"])
        for block, choices in enumerate(cell.blocks):
            # Candidate 0 is the pool.
            for candidate, layer in enumerate(choices.convolutions, start=1):
                name = f"{prefix}._choice_blocks.{block}.mixed_op._ops.{candidate}.op"
                yield from _conv_batch_norm(layer, [name])
    yield from _preprocess(model.postprocess, ["postprocess"])
    yield from _classifier(model.classifier, "classifier")


def _conv_batch_norm(layer, prefixes):
    yield _entry(layer.kernel, prefixes, "op.0.weight", "convolution")
    yield from _normalization(layer.normalization, [f"{prefix}.op.1" for prefix in prefixes])


def _supernet_place(row, column):
    return f"{row}._ops.{column}"


def _nasbench201_place(row, column):
    source, target = nasbench201_cells.EDGES[row]
    return f"{target}<-{source}.{column}"


def _operations(cell, place=_supernet_place):
    """Pairs of an operation and its places: of edges and candidates in a supernet, the edge's number in a network."""
    if hasattr(cell, "mixed"):
        for mixed in cell.mixed:
            for operation, places in zip(mixed.operations, mixed.places, strict=True):
                yield operation, [place(row, column) for row, column in places]
    else:
        for number, operation in enumerate(cell.operations):
            yield operation, [str(number)]


def _residual_reduction(block, prefix):
    for number, name in enumerate(("conv_a.op", "conv_b.op")):
        yield Entry(block.kernels[number], (f"{prefix}.{name}.1.weight",), "convolution")
        yield from _normalization(block.normalizations[number], [f"{prefix}.{name}.2"])
    yield Entry(block.shortcut_kernel, (f"{prefix}.downsample.1.weight",), "convolution")


def _large_image_stem(stem):
    for kernel, layer, kernel_name, layer_name in zip(
        stem.kernels,
        stem.normalizations,
        ("stem0.0", "stem0.3", "stem1.1"),
        ("stem0.1", "stem0.4", "stem1.2"),
        strict=True,
    ):
        yield Entry(kernel, (f"{kernel_name}.weight",), "convolution")
        yield from _normalization(layer, [layer_name])


def _auxiliary_head(head):
    for kernel, number in zip(head.kernels, (2, 5), strict=True):
        yield Entry(kernel, (f"auxiliary_head.features.{number}.weight",), "convolution")
    # The second batch normalization is absent for large images.
    for layer, number in zip(head.normalizations, (3, 6), strict=False):
        yield from _normalization(layer, [f"auxiliary_head.features.{number}"])
    yield from _classifier(head.classifier, "auxiliary_head.classifier")


def _classifier(layer, prefix):
    yield Entry(layer.kernel, (f"{prefix}.weight",), "linear")
    yield Entry(layer.bias, (f"{prefix}.bias",), "vector")


def _entry(variable, prefixes, suffix, layout):
    return Entry(variable, tuple(f"{prefix}.{suffix}" for prefix in prefixes), layout)


def _normalization(layer, prefixes):
    variables = {"running_mean": layer.moving_mean, "running_var": layer.moving_variance}
    if layer.affine:
        variables |= {"weight": layer.gamma, "bias": layer.beta}
    for suffix, variable in variables.items():
        yield _entry(variable, prefixes, suffix, "vector")


def _preprocess(layer, prefixes):
    if isinstance(layer, blocks.FactorizedReduce):
        for number, kernel in enumerate(layer.kernels, start=1):
            yield _entry(kernel, prefixes, f"conv_{number}.weight", "convolution")
        yield from _normalization(layer.normalization, [f"{prefix}.bn" for prefix in prefixes])
    else:
        yield _entry(layer.kernel, prefixes, "op.1.weight", "convolution")
        yield from _normalization(layer.normalization, [f"{prefix}.op.2" for prefix in prefixes])


def _operation(operation, prefixes):
    match operation:
        case operations.ReducingSkip():
            yield from _preprocess(operation.reduce, prefixes)
        case operations.SeparableConvolution():
            for half, start in enumerate((1, 5)):
                yield _entry(operation.depthwise_kernels[half], prefixes, f"op.{start}.weight", "depthwise")
                yield _entry(operation.pointwise_kernels[half], prefixes, f"op.{start + 1}.weight", "convolution")
                names = [f"{prefix}.op.{start + 2}" for prefix in prefixes]
                yield from _normalization(operation.normalizations[half], names)
        case operations.DilatedConvolution():
            yield _entry(operation.depthwise_kernel, prefixes, "op.1.weight", "depthwise")
            yield _entry(operation.pointwise_kernel, prefixes, "op.2.weight", "convolution")
            yield from _normalization(operation.normalization, [f"{prefix}.op.3" for prefix in prefixes])
        case operations.NormalConvolution():
            yield _entry(operation.kernel, prefixes, "op.1.weight", "convolution")
            yield from _normalization(operation.normalization, [f"{prefix}.op.2" for prefix in prefixes])
        case operations.FactorizedConvolution():
            for number, kernel in enumerate(operation.kernels):
                yield _entry(kernel, prefixes, f"{number + 1}.weight", "convolution")
            yield from _normalization(operation.normalization, [f"{prefix}.3" for prefix in prefixes])
        case operations.Pool() if operation.normalization is not None:
            # Every edge that leaves a node pools the same map, so all official copies hold the same statistics.
            for entry in _normalization(operation.normalization, [f"{prefix}.1" for prefix in prefixes]):
                yield dataclasses.replace(entry, names=entry.names[:1], copies=entry.names[1:])


def assign(model, state: Mapping[str, np.ndarray]) -> None:
    """Puts an official state dict into a model. Strict: every name must be known, present and of the right shape.

    Args:
        model: a supernet or a derived network of a space of the DARTS family.
        state: official name -> array in PyTorch's layout; `num_batches_tracked` is ignored.

    Raises:
        InputError: names the entry that is unknown, missing or misshaped. Nothing has been assigned then.
    """
    known = list(entries(model))
    unused = {name for name in state if not name.endswith("num_batches_tracked")}
    values = []
    for entry in known:
        for name in entry.names + entry.copies:
            if name not in state:
                raise InputError(f"The state lacks {name!r}; give the state dict of the same space, depth and width.")
            if np.shape(state[name]) != entry.official_shape:
                raise InputError(
                    f"{name!r} has shape {np.shape(state[name])} and must have {entry.official_shape}; give the state "
                    "dict of the same space, depth and width."
                )
            unused.discard(name)
        for copy in entry.copies:
            if not np.allclose(state[copy], state[entry.names[0]], rtol=1e-4, atol=1e-6):
                raise InputError(f"{copy!r} differs from {entry.names[0]!r}, though both normalize the same map.")
        values.append(entry.join([np.asarray(state[name]) for name in entry.names]))
    if unused:
        raise InputError(f"The state has the unknown entry {sorted(unused)[0]!r}; is it of another space or depth?")
    for entry, value in zip(known, values, strict=True):
        entry.variable.assign(value)


def build_network(genotype: Genotype, state: Mapping[str, np.ndarray]):
    """The network of a genotype in the size of an official state dict.

    Raises:
        InputError: the state is not that of a derived network.
    """
    large_images = "stem0.0.weight" in state
    try:
        channels = state["stem0.3.weight" if large_images else "stem.0.weight"].shape[0]
        num_classes = state["classifier.bias"].shape[0]
        cells = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("cells."))
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"The state is not that of a derived network ({error}); give its whole state dict.") from error
    return spaces.get("darts").build_network(
        genotype,
        num_classes,
        channels if large_images else channels // 3,
        cells,
        auxiliary=any(name.startswith("auxiliary_head.") for name in state),
        large_images=large_images,
    )
