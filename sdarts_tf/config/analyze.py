"""Settings of looking at a finished or running search."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class AnalyzeConfig:
    """Settings of `sdarts_tf.analyze`."""

    run_dir: tuple[str, ...] = setting(
        (), "folder of a search with kept weights; several with commas between them are compared"
    )
    out: str | None = setting(None, "folder of the pictures that compare several runs; default analysis/ of the first")
    data_dir: str | None = setting(None, "folder with the data set's files; default the one that was searched on")
    batches: int = setting(4, "fixed validation batches on which everything is measured", unit="batches", minimum=1)
    batch_size: int | None = setting(None, "images in a batch; default the search's", unit="images", minimum=1)
    statistics: str = setting(
        "training",
        "batch norm: training (the batch's, never recorded) or evaluation (the running ones)",
        choices=("training", "evaluation"),
    )
    weight_steps: int = setting(
        30, "Lanczos steps for the spectrum of the weights' Hessian; 0 leaves it out", unit="steps", minimum=0
    )
    weight_vectors: int = setting(
        2, "random vectors over which the weights' spectrum is averaged", unit="vectors", minimum=1
    )
    grid: int = setting(11, "points on each side of a landscape; 0 leaves them out", unit="points", minimum=0)
    mixture_radius: float = setting(1.0, "half of the side of a landscape over the mixture", unit="L2", minimum=0.0)
    alpha_radius: float = setting(5.0, "half of the side of a landscape over alpha", unit="L2", minimum=0.0)
    draws: int = setting(5, "random shifts of each size", unit="draws", minimum=1)

    def __post_init__(self):
        validate(self)
