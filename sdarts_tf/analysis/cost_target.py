"""Steers a search towards networks of a given cost: a penalty on alpha, and the choice of the genotype."""

import dataclasses
import json

import numpy as np
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.analysis import cost_model
from sdarts_tf.analysis.cost_model import CostModel, Size
from sdarts_tf.config import SearchConfig
from sdarts_tf.data.source import Source
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import target
from sdarts_tf.spaces.base import ImageSpace, Mixture

# With this tilt the most expensive candidate loses against the cheapest one, or wins, almost whatever their shares.
_STRONGEST, _BISECTIONS = 100.0, 50
_CLOSE = 0.03  # relative difference from the target at which the usual genotype is taken


@dataclasses.dataclass(frozen=True)
class CostTarget:
    """A target, and what is known of the costs.

    Args:
        model: cost of each operation on each edge.
        space: whose mixtures and genotypes it is asked about.
        size: of the networks that are meant.
        value: the target.
        weight: of the penalty in the loss of alpha.
    """

    model: CostModel
    space: ImageSpace
    size: Size
    value: float
    weight: float
    _last: dict = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    def penalty(self, mixture: Mixture) -> tf.Tensor:
        """`weight * (expected cost / target - 1)^2`, a scalar, differentiable by the mixture."""
        return self.weight * (self.model.expected(self.space, mixture) / self.value - 1) ** 2

    def genotype(self, mixture: dict[str, np.ndarray], *, max_skips: int | None = None) -> Genotype:
        """The genotype of a mixture whose cost is near the target.

        Where the usual genotype is not within 3 % of the target, shares are multiplied by `exp(-tilt * cost)`, the most
        expensive candidate having cost 1, with the tilt at which the cost steps over the target, on the nearer side.
        """
        return self._tilted(mixture, max_skips)[0]

    def figures(self, mixture: dict[str, np.ndarray], *, max_skips: int | None = None) -> dict[str, float]:
        """`cost_expected` of the mixture, `cost` of its genotype, and the `cost_tilt` that it took."""
        genotype, tilt = self._tilted(mixture, max_skips)
        tensors = {group: tf.constant(shares, tf.float32) for group, shares in mixture.items()}
        expected = float(self.model.expected(self.space, tensors))
        return {"cost_expected": expected, "cost": self.model.of(self.space, genotype), "cost_tilt": tilt}

    def report(self, genotype: Genotype, *, plugin=None) -> dict:
        """What `target.json` holds: the target, the cost by the table, and that of the real network, measured now."""
        kind = self.model.kind
        if kind == "latency_ms":
            real = cost_model.measured_latency(self.space, self.size, genotype, plugin=plugin)
        else:
            real = cost_model.exact(kind, self.space, self.size, genotype)
        return {
            "kind": kind,
            "target": self.value,
            "table": self.model.of(self.space, genotype),
            "network": real,
            "error": real / self.value - 1,
            "channels": self.size.channels,
            "cells": self.size.cells,
            **({"device": self.model.details["device"]} if kind == "latency_ms" else {}),
        }

    def reachable(self) -> tuple[float, float]:
        """Cost of the cheapest and of the most expensive network that a tilt leads to."""
        even = {group: np.full(shape, 1 / shape[1]) for group, shape in self.space.alpha_shapes().items()}
        tilts = (_STRONGEST, -_STRONGEST)
        cheapest, dearest = (self.model.of(self.space, self._at(tilt, even, None)) for tilt in tilts)
        return cheapest, dearest

    def to_json(self) -> str:
        """The costs, for `costs.json`."""
        return json.dumps(self.model.to_dict(), indent=1) + "\n"

    def _tilted(self, mixture, max_skips):
        """What `_search` finds; remembered for one mixture, since an epoch asks several times."""
        key = max_skips, *((group, shares.tobytes()) for group, shares in sorted(mixture.items()))
        if key not in self._last:
            self._last.clear()
            self._last[key] = self._search(mixture, max_skips)
        return self._last[key]

    def _search(self, mixture, max_skips):
        """The genotype, and the tilt: 0 if that is near enough, else where the cost steps over the target."""

        def at(tilt):
            genotype = self._at(tilt, mixture, max_skips)
            return self.model.of(self.space, genotype) / self.value - 1, genotype, tilt

        found = [at(0.0)]
        if abs(found[0][0]) > _CLOSE:
            sign = 1.0 if found[0][0] > 0 else -1.0
            weak, strong = 0.0, sign * _STRONGEST
            found.append(at(strong))
            for _ in range(_BISECTIONS):
                found.append(at((weak + strong) / 2))
                beyond = found[-1][0] * sign <= 0
                weak, strong = (weak, found[-1][2]) if beyond else (found[-1][2], strong)
        _, genotype, tilt = min(found, key=lambda each: (abs(each[0]), abs(each[2])))
        return genotype, tilt

    def _at(self, tilt, mixture, max_skips):
        largest = max(float(table.max()) for table in self.model.tables.values()) or 1.0
        tilted = dict(mixture)
        for group, table in self.model.tables.items():
            logits = np.log(np.maximum(mixture[group].astype(np.float64), 1e-30)) - tilt * table / largest
            tilted[group] = np.exp(logits - max(0.0, -tilt))
        return self.space.discretize(tilted, max_skips=max_skips)


def build(config: SearchConfig, source: Source, *, plugin=None, known: str | None = None) -> CostTarget:
    """The target of a search; measures latencies where they are not known.

    Args:
        config: the settings, completed; their `target` is given.
        source: the data set.
        plugin: path of the plugin that defines operations or the space, if one does.
        known: the `costs.json` of a run that goes on.

    Raises:
        InputError: the space is not one whose costs are known, or no network of the size costs as much or as little.
        RunError: the measurement failed.
    """
    kind, value = target.parse(config.target)
    space = spaces.get(config.space)
    cells = spaces.supernet_cells(config.space, config.cells) if config.target_cells is None else config.target_cells
    channels = config.channels if config.target_channels is None else config.target_channels
    size = Size(channels, cells, source.image_shape, source.num_classes)
    if known is not None:
        model = CostModel.from_dict(json.loads(known))
    elif kind == "latency_ms":
        model = cost_model.measured(space, size, plugin=plugin)
    else:
        model = cost_model.counted(kind, space, size)
    steered = CostTarget(model, space, size, value, config.target_weight)
    cheapest, dearest = steered.reachable()
    if not cheapest * (1 - _CLOSE) <= value <= dearest * (1 + _CLOSE):
        raise InputError(
            f"--target={config.target} is out of reach: networks with {channels} channels and {cells} cells cost "
            f"{cheapest:.4g} to {dearest:.4g} here; change it, or --target_channels and --target_cells."
        )
    return steered
