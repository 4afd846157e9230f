"""Which settings an objective depends on: how much worse a forest predicts it once one of them is shuffled.

Source: Breiman, "Random Forests", Machine Learning 2001, section 10.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold

from sdarts_tf.studies.plan import Plan

FEWEST = 10  # trials; of fewer a forest learns nothing
_FOLDS, _REPEATS, _TREES = 5, 10, 100


@dataclasses.dataclass(frozen=True)
class Importance:
    """What a forest says about the trials of a tune.

    Args:
        names: the parameters, and `epochs` of a hyperband.
        means: for each, by how much shuffling it raises the root mean square error of predictions for held-out trials,
            in units of the objective.
        deviations: of that rise over folds and shuffles.
        score: share of the objective's variance that held-out predictions explain, at most 1; with one near 0 or below
            the forest has learnt nothing and the rest means nothing.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    score: float


def importance(trials: Sequence, plan: Plan) -> Importance | None:
    """The importance of the parameters of a tune; None for fewer than `FEWEST` trials.

    Args:
        trials: `results.Trial`s that succeeded.
        plan: of the tune. The scale of a range does not matter to a forest; a parameter that is not active has a value
            of its own.
    """
    if len(trials) < FEWEST:
        return None
    names = [parameter.name for parameter in plan.parameters] + ["epochs"] * (plan.oracle == "hyperband")
    columns = [
        _codes([trial.values.get(name, trial.epochs if name == "epochs" else None) for trial in trials])
        for name in names
    ]
    inputs, outputs = np.stack(columns, axis=1), np.array([trial.figures[plan.objective] for trial in trials])
    rises, predictions = [], np.empty_like(outputs)
    for train, held_out in KFold(_FOLDS, shuffle=True, random_state=0).split(inputs):
        forest = RandomForestRegressor(_TREES, random_state=0).fit(inputs[train], outputs[train])
        predictions[held_out] = forest.predict(inputs[held_out])
        options = {"scoring": "neg_root_mean_squared_error", "n_repeats": _REPEATS, "random_state": 0}
        rises.append(permutation_importance(forest, inputs[held_out], outputs[held_out], **options).importances)
    joined = np.concatenate(rises, axis=1)
    unexplained = np.mean((predictions - outputs) ** 2)
    score = 1 - unexplained / np.var(outputs) if np.var(outputs) else 0.0
    return Importance(
        tuple(names), tuple(joined.mean(axis=1).tolist()), tuple(joined.std(axis=1).tolist()), float(score)
    )


def _codes(values):
    """Numbers as they are, texts numbered; -1 where there is no value, all settings that are tuned being positive."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, int | float) for value in given):
        return np.array([-1 if value is None else value for value in values], float)
    order = sorted(set(given))
    return np.array([-1 if value is None else order.index(value) for value in values], float)
