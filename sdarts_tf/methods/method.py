"""A search method: a frozen record of choices, written as a sum of ingredients."""

import dataclasses
import functools

from sdarts_tf.methods import hypergradients, perturbations, simplex
from sdarts_tf.methods.hypergradients import Hypergradient
from sdarts_tf.methods.ingredients import INGREDIENTS, split
from sdarts_tf.methods.perturbations import Perturbation


@dataclasses.dataclass(frozen=True)
class Method:
    """What a search does besides training weights and alpha in turn. The default is first-order DARTS."""

    perturbation: Perturbation = perturbations.none
    hypergradient: Hypergradient = hypergradients.first_order


def parse(text, *, pgd_steps=7, project=simplex.renormalize, unrolled_clip=None):
    """The method that `text` names.

    Args:
        text: ingredients joined by `+`, for example `"adv+second_order"`; `ingredients.split` says what is allowed.
        pgd_steps: steps of the attack.
        project: how a perturbed mixture returns to the simplex.
        unrolled_clip: `gradient_clip` of second order.

    Example:
        >>> parse("second_order") == Method(hypergradient=hypergradients.second_order)
        True
    """
    second_order = hypergradients.second_order
    if unrolled_clip is not None:
        second_order = functools.partial(second_order, gradient_clip=unrolled_clip)
    values = {
        "darts": perturbations.none,
        "rs": perturbations.random(project=project),
        "adv": perturbations.adversarial(steps=pgd_steps, project=project),
        "second_order": second_order,
    }
    return Method(**{INGREDIENTS[name]: values[name] for name in split(text)})
