"""Settings of drawing cells."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class DrawConfig:
    """Settings of `sdarts_tf.draw`.

    Example:
        >>> DrawConfig(genotype="DARTS_V2").out is None
        True
    """

    genotype: str | None = setting(None, "name of a published cell, or a genotype.json")
    run_dir: str | None = setting(None, "folder of a search, whose cells are drawn; also of one that is not finished")
    out: str | None = setting(
        None, "path of the pictures without suffix; default the genotype's name here, or genotype in the run's folder"
    )

    def __post_init__(self):
        validate(self)
