"""What a tune has found: its trials, as tables, for TensorBoard, and as pictures."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from keras_tuner.engine.trial import Trial as KerasTrial

from sdarts_tf.studies import figures, hparams, importance, pictures, tables
from sdarts_tf.studies.plan import Plan
from sdarts_tf.studies.study_directory import TRIALS, TUNER
from sdarts_tf.training.run_directory import RunDirectory

_ALSO_SHOWN = ("valid_accuracy", "true_test_accuracy", "hessian_norm", "retrained_test_accuracy")


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial of a tune.

    Args:
        number: keras-tuner's name of it.
        values: parameter -> its value; those that were not active are missing.
        status: `COMPLETED`, `FAILED`, or `RUNNING` if it has begun only.
        figures: name -> value, as `figures.of_run`.
        run: name of its run's folder.
        epochs: up to which hyperband wanted it; None with other oracles.
        message: why it failed.
    """

    number: str
    values: Mapping[str, float | int | str]
    status: str
    figures: Mapping[str, float]
    run: str
    epochs: int | None = None
    message: str = ""


def read(run_dir: pathlib.Path) -> list[Trial]:
    """The trials of a tune, in the order in which they began."""
    paths = (run_dir / TUNER).glob("trial_*/trial.json")
    # By number: once more trials are asked for, the names of later ones may have more digits.
    trials = sorted((KerasTrial.load(str(path)) for path in paths), key=lambda trial: int(trial.trial_id))
    found = {trial.trial_id: trial for trial in trials}
    return [_trial(trial, found) for trial in trials]


def _trial(trial, found):
    values, root = trial.hyperparameters.values, trial
    while past := root.hyperparameters.values.get("tuner/trial_id"):
        root = found[past]
    measured = {name: float(history.get_last_value()) for name, history in trial.metrics.metrics.items()}
    said = (trial.message or "").strip().splitlines()[-1:]
    return Trial(
        trial.trial_id,
        {name: value for name, value in values.items() if not name.startswith("tuner/")},
        trial.status,
        measured,
        root.trial_id,
        values.get("tuner/epochs"),
        said[0].partition(": ")[2] if said else "",
    )


def ranked(trials: Sequence[Trial], objective: str) -> list[Trial]:
    """The trials that succeeded, the best one first; of equals the earlier one."""
    done = [trial for trial in trials if trial.status == "COMPLETED"]
    sign = -1 if figures.more_is_better(objective) else 1
    return sorted(done, key=lambda trial: sign * trial.figures[objective])


def table(trials: Sequence[Trial], plan: Plan, columns: Sequence[str]) -> list[list[str]]:
    """A row for each trial, the best one first, those that failed last.

    Args:
        trials: of the tune.
        plan: of the tune.
        columns: names of figures.
    """
    names = [parameter.name for parameter in plan.parameters]
    epochs = ["epochs"] if plan.oracle == "hyperband" else []
    best = ranked(trials, plan.objective)
    rows = [["trial", *names, *epochs, *columns, "status", "run"]]
    for trial in [*best, *(trial for trial in trials if trial not in best)]:
        values = [_text(trial.values.get(name)) for name in names] + [_text(trial.epochs)] * len(epochs)
        rows.append(
            [
                trial.number,
                *values,
                *(_text(trial.figures.get(name)) for name in columns),
                f"{trial.status.lower()} {trial.message}".strip(),
                f"{TRIALS}/{trial.run}",
            ]
        )
    return rows


def _text(value) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def write(run_dir: pathlib.Path, plan: Plan) -> list[Trial]:
    """Writes `trials.md`, `trials.csv`, `slices.png`, `importance.png` and TensorBoard's `events/` of a tune.

    Pictures need trials that succeeded, that of importance more than a few.

    Returns:
        The trials that succeeded, the best one first.
    """
    trials, directory = read(run_dir), RunDirectory(run_dir)
    best = ranked(trials, plan.objective)
    # The last epoch's values of schedules are called as the settings are.
    tuned = {parameter.name for parameter in plan.parameters}
    measured = sorted({name for trial in trials for name in trial.figures} - {plan.objective} - tuned)
    shown = [plan.objective, *(name for name in _ALSO_SHOWN if name in measured)]
    directory.write("trials.md", tables.markdown(table(trials, plan, shown)))
    directory.write("trials.csv", tables.comma_separated(table(trials, plan, [plan.objective, *measured])))
    hparams.write(directory.events, trials, plan)
    if best:
        directory.write("slices.png", pictures.slices(best, plan))
    found = importance.importance(best, plan)
    if found is not None:
        directory.write("importance.png", pictures.importance(found, plan.objective))
    return best
