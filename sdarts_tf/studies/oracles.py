"""What chooses the settings of the next trial: keras-tuner's oracles, made fit to be killed at any moment."""

import json
import math
import pathlib
from collections.abc import Iterator, Sequence

import keras_tuner

from sdarts_tf.studies import figures
from sdarts_tf.studies.plan import Plan
from sdarts_tf.training.run_directory import RunDirectory


class _Kept:
    """Files that are whole at any moment, and no trial that is begun and forgotten."""

    def save(self):
        _write(pathlib.Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial):
        _write(pathlib.Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self):
        super().reload()
        # A kill between the two files of a new trial leaves it in one of them.
        known = {*self._retry_queue, *self.end_order}
        self._retry_queue += sorted(set(self.trials) - known)
        self.start_order += sorted(set(self.trials) - set(self.start_order))


def _write(path, state):
    RunDirectory(path.parent).write(path.name, json.dumps(state) + "\n")


class RandomOracle(_Kept, keras_tuner.oracles.RandomSearchOracle):
    """Draws evenly."""


class BayesianOracle(_Kept, keras_tuner.oracles.BayesianOptimizationOracle):
    """Draws where a Gaussian process that was fitted to the trials so far expects most."""


class HyperbandOracle(_Kept, keras_tuner.oracles.HyperbandOracle):
    """Draws many, lets the better ones of every rung train on.

    Source: Li et al., "Hyperband", JMLR 2018.
    """


class GridOracle(_Kept, keras_tuner.Oracle):
    """All combinations of values, in the order of the parameters, the last one changing fastest.

    keras-tuner's own grid keeps its place in memory, where a killed tune loses it; here it is the number of trials.
    """

    def populate_space(self, trial_id):
        """The next combination, as `keras_tuner.Oracle` asks for it."""
        done = len(self.start_order)
        for number, values in enumerate(combinations(self.get_space().space)):
            if number == done:
                return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}


def combinations(space: Sequence) -> Iterator[dict]:
    """All combinations of active hyper-parameters.

    Args:
        space: of a `keras_tuner.HyperParameters`, parents before those that depend on them.

    Example:
        >>> hp = keras_tuner.HyperParameters()
        >>> _ = hp.Choice("method", ["darts", "rs"])
        >>> with hp.conditional_scope("method", ["rs"]):
        ...     _ = hp.Choice("epsilon", [0.1, 0.3])
        >>> list(combinations(hp.space))
        [{'method': 'darts'}, {'method': 'rs', 'epsilon': 0.1}, {'method': 'rs', 'epsilon': 0.3}]
    """

    def extended(values, rest):
        if not rest:
            yield values
        elif all(condition.is_active(values) for condition in rest[0].conditions):
            for value in rest[0].values:
                yield from extended({**values, rest[0].name: value}, rest[1:])
        else:
            yield from extended(values, rest[1:])

    return extended({}, list(space))


def make(plan: Plan) -> keras_tuner.Oracle:
    """The oracle of a plan."""
    direction = "max" if figures.more_is_better(plan.objective) else "min"
    options = {
        "objective": keras_tuner.Objective(plan.objective, direction),
        # keras-tuner takes 0 for "any".
        "seed": plan.seed + 1,
        # However many diverge one after the other, as on the far side of a grid, the others are wanted.
        "max_consecutive_failed_trials": math.inf,
    }
    if plan.oracle == "hyperband":
        epochs = plan.settings_config().epochs
        return HyperbandOracle(max_epochs=epochs, factor=plan.factor, **options)
    return {"random": RandomOracle, "bayesian": BayesianOracle, "grid": GridOracle}[plan.oracle](
        max_trials=plan.trials, **options
    )
