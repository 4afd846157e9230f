"""A search method: a frozen record of choices, written as a sum of ingredients."""

import dataclasses
import functools

from sdarts_tf.methods import hypergradients, perturbations, simplex
from sdarts_tf.methods.hypergradients import Hypergradient
from sdarts_tf.methods.ingredients import split
from sdarts_tf.methods.perturbations import Perturbation


@dataclasses.dataclass(frozen=True)
class Method:
    """What a search does besides training weights and alpha in turn. The default is first-order DARTS.

    Args:
        perturbation: of the mixture of operations; edge weights stay as they are.
        hypergradient: what moves alpha.
        channel_divisor: K of PC-DARTS: the candidates see one of K parts of the channels.
        edge_normalization: whole edges are weighed too, by alpha of their own.
        dropped_skips: skip connections have a dropout, as in P-DARTS.
    """

    perturbation: Perturbation = perturbations.none
    hypergradient: Hypergradient = hypergradients.first_order
    channel_divisor: int = 1
    edge_normalization: bool = False
    dropped_skips: bool = False


def parse(
    text,
    *,
    pgd_steps=7,
    project=simplex.renormalize,
    channel_divisor=4,
    edge_normalization=True,
    unrolled_clip=None,
):
    """The method that `text` names.

    Args:
        text: ingredients joined by `+`, for example `"adv+second_order"`; `ingredients.split` says what is allowed.
        pgd_steps: steps of the attack.
        project: how a perturbed mixture returns to the simplex.
        channel_divisor, edge_normalization: what `pc` means.
        unrolled_clip: `gradient_clip` of second order.

    Example:
        >>> parse("second_order+pc") == Method(
        ...     hypergradient=hypergradients.second_order, channel_divisor=4, edge_normalization=True
        ... )
        True
    """
    second_order = hypergradients.second_order
    if unrolled_clip is not None:
        second_order = functools.partial(second_order, gradient_clip=unrolled_clip)
    choices = {
        "darts": {"perturbation": perturbations.none},
        "rs": {"perturbation": perturbations.random(project=project)},
        "adv": {"perturbation": perturbations.adversarial(steps=pgd_steps, project=project)},
        "second_order": {"hypergradient": second_order},
        "pdarts": {"dropped_skips": True},  # its stages are searches of their own
        "pc": {"channel_divisor": channel_divisor, "edge_normalization": edge_normalization},
    }
    return Method(**{field: value for name in split(text) for field, value in choices[name].items()})
