"""Tunes the settings of a search or a training: python -m sdarts_tf.tune --file=examples/tune_digits.json."""

import contextlib
import dataclasses
import importlib.util
import io
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import TuneConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.studies import chief, jobs, plan, study_directory
from sdarts_tf.training.interruption import Interrupted


@dataclasses.dataclass(frozen=True)
class TuneResult:
    """What a tune found.

    Args:
        run_dir: its folder.
        trials: those that succeeded, the best one first, as `studies.results.Trial`; none in a worker, whose chief has
            them.
    """

    run_dir: pathlib.Path
    trials: tuple


def tune(config: TuneConfig, run=jobs.run) -> TuneResult:
    """Makes the trials of a tune, or goes on with them.

    Args:
        config: the settings.
        run: runs the jobs of a trial; by default each in a process of its own.

    Raises:
        InputError: the file, a setting or the data cannot be used, or keras-tuner is not installed.
        RunError: a trial failed for another reason than its settings, all failed, or the tune was interrupted.

    Example:
        best, *_ = tune(TuneConfig(file="examples/tune_digits.json")).trials
        print(best.values, best.figures["pruned_accuracy"])
    """
    role = chief.role()
    if importlib.util.find_spec("keras_tuner") is None:
        raise InputError("keras-tuner is not installed; run pip install 'sdarts_tf[tune]'.")
    config, planned = study_directory.prepare(config, "tune", plan.read, plan.fixed, writes=role != "worker")
    folder = pathlib.Path(config.run_dir)

    command_line.import_tensorflow()
    from sdarts_tf.studies import oracles, results
    from sdarts_tf.studies.tuner import RunTuner

    options = {"directory": folder, "retrain": planned.retrain_config(), "run": run, "tell": _tell}
    with contextlib.redirect_stdout(io.StringIO()):  # keras-tuner says that it reloads
        tuner = RunTuner(planned.config, oracles.make(planned), **options)
    try:
        tuner.search()
    except Interrupted as error:
        again = (
            "by the same command, with the same KERASTUNER_TUNER_ID"
            if role == "worker"
            else f"with --resume --run_dir={folder}"
        )
        sentence = f"Stopped, the present trial is saved; go on {again}"
        raise Interrupted(sentence, error.exit_status - 128) from error
    finally:
        best = [] if role == "worker" else results.write(folder, planned)
    if not best and role != "worker":
        said = results.read(folder)[0].message
        raise RunError(
            f"No trial succeeded, the first one failed so: {said} See {folder / 'trials.md'} for the others."
        )
    return TuneResult(folder, tuple(best))


def _tell(line):
    print(line, file=sys.stderr, flush=True)


def main(config: TuneConfig) -> None:
    """Tunes and prints all trials, the best one first."""
    result = tune(config)
    if not result.trials:
        print("The chief has no more trials; it writes the results.")
        return
    print((result.run_dir / "trials.md").read_text(encoding="utf-8"))
    print(f"Best trial: {result.run_dir / 'trials' / result.trials[0].run}")
    print(f"Table: {result.run_dir / 'trials.md'} and .csv")
    print(f"Pictures: {result.run_dir / 'slices.png'} and, of ten trials or more, importance.png")


if __name__ == "__main__":
    sys.exit(command_line.run(main, TuneConfig, description=__doc__))
