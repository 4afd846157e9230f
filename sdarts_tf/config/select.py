"""Settings of selecting a genotype from a finished search."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class SelectConfig:
    """Settings of `sdarts_tf.select`. Those of perturbation are the authors' (Wang et al., ICLR 2021).

    Example:
        >>> SelectConfig(run_dir="runs/rs-s5-svhn-2", select="perturbation").interval
        5
    """

    run_dir: str | None = setting(None, "folder of a finished search")
    select: str = setting(
        "perturbation",
        "argmax: the largest shares; perturbation: the candidates and edges whose removal hurts most",
        choices=("argmax", "perturbation"),
    )
    max_skips: int | None = setting(
        None, "largest number of skip connections in the normal cell, argmax only; default the search's", minimum=0
    )
    criterion: str = setting(
        "accuracy",
        "what a removal harms, perturbation only; of equal accuracies the loss decides",
        choices=("accuracy", "loss"),
    )
    interval: int = setting(5, "epochs between two decisions, perturbation only", unit="epochs", minimum=1)
    learning_rate: float | None = setting(
        None,
        "start of the weights' cosine schedule between decisions; default a tenth of the search's",
        unit="SGD step size",
        minimum=0.0,
    )
    seed: int = setting(0, "seed of the order in which edges are decided", minimum=0, maximum=2**31 - 1)
    data_dir: str | None = setting(None, "folder with the data set's files; default the search's")
    resume: bool = setting(False, "go on with the selection in --run_dir from its last checkpoint")
    checkpoint_seconds: float = setting(300.0, "time between checkpoints inside an epoch", unit="seconds", minimum=0.0)

    def __post_init__(self):
        validate(self)
