"""Settings of the commands that run many searches or trainings, which a file of theirs describes."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """Settings of `sdarts_tf.tune`.

    Example:
        >>> TuneConfig(file="examples/tune_epsilon.json").run_dir is None
        True
    """

    file: str | None = setting(None, "JSON file that says what is tuned, between which limits, and towards what")
    run_dir: str | None = setting(None, "folder of the tune, created if missing; default runs/<name of the file>")
    resume: bool = setting(False, "go on with the tune in --run_dir; its file need not be named again")
    data_dir: str | None = setting(None, "folder with the data set's files; default the one in the file")
    benchmark: str | None = setting(None, "table of a NAS benchmark; default the one in the file")

    def __post_init__(self):
        validate(self)


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Settings of `sdarts_tf.sweep`.

    Example:
        >>> SweepConfig(file="examples/sweep_digits.json").jobs is None
        True
    """

    file: str | None = setting(None, "JSON file that says which values of which settings are run with each other")
    run_dir: str | None = setting(None, "folder of the sweep, created if missing; default runs/<name of the file>")
    resume: bool = setting(False, "go on with the sweep in --run_dir; its file need not be named again")
    jobs: int | None = setting(
        None, "runs at the same time; default as many as there are GPUs, else cores", unit="runs", minimum=1
    )
    data_dir: str | None = setting(None, "folder with the data set's files; default the one in the file")
    benchmark: str | None = setting(None, "table of a NAS benchmark; default the one in the file")

    def __post_init__(self):
        validate(self)
