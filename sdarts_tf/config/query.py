"""Settings of looking architectures up in a benchmark."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class QueryConfig:
    """Settings of `sdarts_tf.query`.

    Example:
        >>> QueryConfig(run_dir="runs/x", benchmark="nasbench201.csv").genotype is None
        True
    """

    run_dir: str | None = setting(None, "folder of a search, whose genotype after every epoch is looked up")
    genotype: str | None = setting(
        None, "a genotype.json, or the benchmark's name of an architecture: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
    )
    benchmark: str | None = setting(None, "file of a NAS benchmark; default the search's")
    benchmark_dataset: str | None = setting(
        None, "data set whose accuracies are looked up; default that of the search, without one cifar10"
    )

    def __post_init__(self):
        validate(self)
