"""The cost of a mixture and of a genotype as a sum over edges: parameters, multiply-adds, milliseconds."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from sdarts_tf.analysis import cost, latency
from sdarts_tf.analysis.cost_places import candidates, chooses_none, kept_share, places
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.layers import operations
from sdarts_tf.spaces.base import ImageSpace, Mixture

_NETWORKS = 8  # whole ones, on which the sum of latencies is calibrated
_LARGE_ERROR = 0.1  # relative, of one of these


@dataclasses.dataclass(frozen=True)
class Size:
    """What the networks are whose cost is meant.

    Args:
        channels, cells: as for `ImageSpace.build_network`.
        image_shape: height, width and channels.
        num_classes: number of classes.
    """

    channels: int
    cells: int
    image_shape: tuple[int, int, int]
    num_classes: int

    def network(self, space: ImageSpace, genotype: Genotype):
        """The network of a genotype, as it classifies."""
        large = {"large_images": True} if min(self.image_shape[:2]) >= 128 else {}
        options = {"image_channels": self.image_shape[2], **large}
        return space.build_network(genotype, self.num_classes, self.channels, self.cells, **options)


@dataclasses.dataclass(frozen=True)
class CostModel:
    """Cost of a network: a constant, and for each edge that is kept what its operation costs in all cells.

    Args:
        kind: one of `methods.target.KINDS`.
        fixed: of stem, preprocessing and classifier.
        tables: group -> cost of each candidate on each row, `[rows, candidates]`, in all cells together.
        details: what it was made of, for the record.
    """

    kind: str
    fixed: float
    tables: dict[str, np.ndarray]
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def of(self, space: ImageSpace, genotype: Genotype) -> float:
        """Cost of the network of a genotype of the space."""
        kept = space.kept(genotype)
        return self.fixed + sum(float((kept[group] * table).sum()) for group, table in self.tables.items())

    def expected(self, space: ImageSpace, mixture: Mixture) -> tf.Tensor:
        """Mean cost of networks whose edges are kept by chance and whose operations are drawn by their shares.

        Where a genotype has no `none`, the other shares count in proportion. Differentiable by the mixture.
        """
        total = tf.constant(self.fixed, tf.float32)
        for group, table in self.tables.items():
            shares = mixture[group]
            if not chooses_none(space):
                offered = np.array([[name != "none" for name in row] for row in candidates(space)[group]], np.float32)
                shares = shares * offered / tf.reduce_sum(shares * offered, axis=-1, keepdims=True)
            kept = np.array(kept_share(space)[group], np.float32)[:, np.newaxis]
            total += tf.reduce_sum(shares * kept * tf.constant(table, tf.float32))
        return total

    @property
    def doubt(self) -> str | None:
        """A line that says why a table of latencies is not to be trusted; None where it is."""
        error = self.details.get("largest_error", 0.0)
        if self.details.get("factor") == 0:
            return "--target: the latencies of operations explain nothing of those of whole networks"
        if error > _LARGE_ERROR:
            return f"--target: the table misses the latency of a whole network by {error:.0%}, and may do so again"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        tables = {group: table.tolist() for group, table in self.tables.items()}
        return {"kind": self.kind, "fixed": self.fixed, "tables": tables, "details": self.details}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "CostModel":
        """The inverse of `to_dict`."""
        tables = {group: np.array(table) for group, table in record["tables"].items()}
        return cls(record["kind"], record["fixed"], tables, record["details"])


def counted(kind: str, space: ImageSpace, size: Size) -> CostModel:
    """The model of `"params"` or `"madds"`, which is exact.

    Example:
        >>> from sdarts_tf import spaces
        >>> space = spaces.get("s2")
        >>> size = Size(channels=4, cells=3, image_shape=(8, 8, 3), num_classes=10)
        >>> model = counted("params", space, size)
        >>> genotype = space.discretize({group: np.eye(2)[[0] * 14] for group in ("normal", "reduce")})
        >>> model.of(space, genotype) == cost.count_parameters(size.network(space, genotype)).network
        True
    """
    count = {"params": _parameters, "madds": _multiply_adds}[kind]
    tables = _summed(space, size, lambda name, *shape: count(name, *shape))
    genotype = _genotypes(space, 1)[0]
    model = CostModel(kind, 0.0, tables)
    return dataclasses.replace(model, fixed=exact(kind, space, size, genotype) - model.of(space, genotype))


def exact(kind: str, space: ImageSpace, size: Size, genotype: Genotype) -> float:
    """Parameters or multiply-adds of the network of a genotype, counted in the network itself."""
    network = size.network(space, genotype)
    if kind == "params":
        return float(cost.count_parameters(network).network)
    return float(cost.multiply_adds(network, size.image_shape))


def measured(space: ImageSpace, size: Size, *, plugin=None) -> CostModel:
    """The model of `"latency_ms"`, for one image on this machine.

    Operations are measured one by one, and whole networks of random genotypes beside them: a network has more than its
    edges and finds its maps in the caches, so a constant and a factor are fitted to the networks. `details` has the
    table, and by how much the fitted networks are missed.

    Args:
        space: the networks' space.
        size: their size.
        plugin: path of the plugin that defines operations or the space, if one does.

    Raises:
        RunError: the measurement failed.
    """
    shapes = sorted(
        {
            (name, place.channels, place.height, place.width, place.stride)
            for place in places(space, size.channels, size.cells, size.image_shape)
            for name in candidates(space)[place.group][place.row]
        }
    )
    genotypes = _genotypes(space, _NETWORKS)
    request = {
        "operations": [list(shape) for shape in shapes],
        "networks": [genotype.to_dict() for genotype in genotypes],
        **_request(space, size),
    }
    answer = latency.measure(request, plugin=plugin)
    alone = CostModel("latency_ms", 0.0, _summed(space, size, lambda *shape: answer["operations"][latency.key(*shape)]))
    sums = np.array([alone.of(space, genotype) for genotype in genotypes])
    found = np.array(answer["networks"])
    fixed, factor = _line(sums, found)
    details = {
        "device": answer["device"],
        "operations": answer["operations"],
        "factor": factor,
        "networks": [{"operations": float(s), "measured": float(m)} for s, m in zip(sums, found, strict=True)],
        "largest_error": float(np.max(np.abs((fixed + factor * sums) / found - 1))),
    }
    tables = {group: factor * table for group, table in alone.tables.items()}
    return CostModel("latency_ms", fixed, tables, details)


def measured_latency(space: ImageSpace, size: Size, genotype: Genotype, *, plugin=None) -> float:
    """Milliseconds of the network of a genotype for one image, measured anew in a process of its own."""
    request = {"operations": [], "networks": [genotype.to_dict()], **_request(space, size)}
    return latency.measure(request, plugin=plugin, fresh=True)["networks"][0]


def _request(space, size):
    return {"space": space.name, **dataclasses.asdict(size), "image_shape": list(size.image_shape)}


def _summed(space, size, cost_of):
    """Group -> the cost of each candidate on each row, added over all cells; each shape is asked for once."""
    known: dict[tuple, float] = {}
    tables = {
        group: np.zeros([len(rows), max(map(len, rows))], np.float64) for group, rows in candidates(space).items()
    }
    for place in places(space, size.channels, size.cells, size.image_shape):
        for column, name in enumerate(candidates(space)[place.group][place.row]):
            shape = (name, place.channels, place.height, place.width, place.stride)
            if shape not in known:
                known[shape] = cost_of(*shape)
            tables[place.group][place.row, column] += known[shape]
    return tables


def _layer(name, channels, stride):
    return operations.build(name, channels, stride=stride, affine=True)


def _parameters(name, channels, height, width, stride):
    return float(sum(int(np.prod(weight.shape)) for weight in _layer(name, channels, stride).trainable_variables))


def _multiply_adds(name, channels, height, width, stride):
    layer = _layer(name, channels, stride)
    return float(cost.multiply_adds(lambda x: layer(x), (height, width, channels)))


def _genotypes(space, count):
    """Genotypes of random mixtures, some of which have a preference for one candidate; always the same ones."""
    random = np.random.RandomState(0)
    found = []
    for number in range(count):
        mixture = {}
        for group, (rows, columns) in space.alpha_shapes().items():
            preferred = number % columns if number < 2 * columns else columns
            logits = random.standard_normal((rows, columns)) + 3.0 * (np.arange(columns) == preferred)
            mixture[group] = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        found.append(space.discretize(mixture))
    return found


def _line(sums, found):
    """Constant and factor, neither below 0, of the line through the measurements with the least relative squares."""
    import scipy.optimize

    (fixed, factor), _ = scipy.optimize.nnls(np.stack([1 / found, sums / found], axis=1), np.ones(len(found)))
    return float(fixed), float(factor)
