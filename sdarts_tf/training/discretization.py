"""The discretization gap: what the supernet loses when its mixture is rounded to the genotype.

Source: Zela et al., ICLR 2020, section 4; Chen & Hsieh, ICML 2020, section 3.
"""

from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces.base import Mixture, SearchSpace
from sdarts_tf.training.fixed_loss import FixedLoss


def gap(space: SearchSpace, loss: FixedLoss, mixture: Mixture, genotype: Genotype) -> dict[str, dict[str, float]]:
    """Loss and accuracy (0 to 1) at the same weights, on the way from the mixture to the genotype found from it.

    Args:
        space: of the mixture.
        loss: over the fixed batches.
        mixture: as searched.
        genotype: to which it is rounded.

    Returns:
        `mixture`: as searched. `one_hot`: every kept edge has its kept operation alone, the others are mixed as before.
        `pruned`: the others are gone. Each holds `loss` and `accuracy`.
    """
    mixtures = {
        "mixture": mixture,
        "one_hot": space.one_hot(mixture, genotype),
        "pruned": space.pruned(mixture, genotype),
    }
    return {name: dict(zip(("loss", "accuracy"), loss.figures(m), strict=True)) for name, m in mixtures.items()}
