"""Settings of comparing a supernet's ranking of architectures with a benchmark's."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class CorrelateConfig:
    """Settings of `sdarts_tf.correlate`.

    Example:
        >>> CorrelateConfig(run_dir="runs/x").architectures
        100
    """

    run_dir: str | None = setting(None, "folder of a search, whose kept weights are looked at, or its last ones")
    benchmark: str | None = setting(None, "file of a NAS benchmark; default the search's")
    benchmark_dataset: str | None = setting(
        None, "data set whose accuracies are looked up; default the search's --benchmark_dataset, or its data set"
    )
    architectures: int = setting(
        100, "different architectures drawn at random from those in the benchmark", unit="architectures", minimum=2
    )
    seed: int = setting(0, "seed of the draws; the same one draws the same architectures", minimum=0, maximum=2**31 - 1)
    batches: int = setting(16, "fixed validation batches on which the supernet is evaluated", unit="batches", minimum=1)
    batch_size: int | None = setting(None, "images in a batch; default the search's", unit="images", minimum=1)
    statistics: str = setting(
        "training",
        "batch norm: training (each batch's, never recorded) or evaluation (running ones, made by the whole mixture)",
        choices=("training", "evaluation"),
    )
    data_dir: str | None = setting(None, "folder with the data set's files; default the one that was searched on")

    def __post_init__(self):
        validate(self)
