"""Settings of the report on runs."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Settings of `sdarts_tf.report`.

    Example:
        >>> ReportConfig(run_dir=("runs/a", "runs/b")).out is None
        True
    """

    run_dir: tuple[str, ...] = setting(
        (), "folder of a run; several with commas between them, or the flag several times, are compared"
    )
    out: str | None = setting(None, "the file; default report.html in the first run's folder")

    def __post_init__(self):
        validate(self)
