"""What a tune is to do, read from its file. Imports neither TensorFlow nor keras-tuner."""

import contextlib
import dataclasses
import json
import math
import random
import typing
from collections.abc import Mapping

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.studies import checks, descriptions, figures

ORACLES = ("random", "bayesian", "grid", "hyperband")
_KEYS = ("command", "objective", "oracle", "trials", "seed", "factor", "settings", "retrain", "tune")
_RANGE_KEYS = ("values", "from", "to", "step", "scale", "when")
_WITHOUT = {"values": {"from", "to", "step", "scale"}, "step": {"scale"}}  # what would be of no effect beside a key
_MOST_STEPS, _LARGEST_SEED = 10_000, 2**31 - 1
_TRIES = 100  # trials in which a value may turn out to be of use


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A setting that is tuned.

    Args:
        name: of the setting.
        values: those to choose from; None for a range.
        low, high: the limits of a range, both included.
        whole: whether the range has whole numbers only.
        scale: `"linear"` or `"log"`.
        when: other parameters and their values, all of which are needed for this one to be tuned.
    """

    name: str
    values: tuple | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = False
    scale: str = "linear"
    when: Mapping[str, tuple] = dataclasses.field(default_factory=dict)

    def limits(self) -> tuple:
        """All values of a choice, both ends of a range."""
        return (self.low, self.high) if self.values is None else self.values

    def declare(self, hp):
        """Asks keras-tuner for a value; None where the parameter is not tuned.

        Args:
            hp: a `keras_tuner.HyperParameters`.
        """
        with contextlib.ExitStack() as stack:
            for parent, values in self.when.items():
                stack.enter_context(hp.conditional_scope(parent, list(values)))
            if self.values is not None:
                return hp.Choice(self.name, list(self.values))
            if self.whole:
                return hp.Int(self.name, self.low, self.high, sampling=self.scale)
            drawn = hp.Float(self.name, self.low, self.high, sampling=self.scale)
            return None if drawn is None else float(f"{drawn:.6g}")  # more digits than that nobody compares


@dataclasses.dataclass(frozen=True)
class Plan:
    """A tune.

    Args:
        command: what is run for each trial, `"search"` or `"retrain"`.
        objective: a figure of `figures.known`.
        oracle: of `ORACLES`.
        trials: at most so many; None for all of a grid, and for hyperband.
        seed: of the oracle.
        factor: hyperband only: one of so many trials is promoted.
        settings: flags of every trial.
        retrain: flags of the training of every search's cell; None if there is none.
        parameters: what is tuned.
    """

    command: str
    objective: str
    oracle: str
    trials: int | None
    seed: int
    factor: int
    settings: tuple[str, ...]
    retrain: tuple[str, ...] | None
    parameters: tuple[Parameter, ...]

    def config(self, hp) -> SearchConfig | RetrainConfig:
        """The configuration of a trial: what keras-tuner calls building the model.

        Args:
            hp: a `keras_tuner.HyperParameters`.
        """
        drawn = {parameter.name: parameter.declare(hp) for parameter in self.parameters}
        flags = [descriptions.flag(self.command, name, value) for name, value in drawn.items() if value is not None]
        return descriptions.config(self.command, self.settings, flags)

    def settings_config(self) -> SearchConfig | RetrainConfig:
        """The configuration that all trials share, nothing tuned."""
        return descriptions.config(self.command, self.settings)

    def retrain_config(self) -> RetrainConfig | None:
        """The configuration of the training of every search's cell."""
        return None if self.retrain is None else descriptions.config("retrain", self.retrain)


def read(text: str, overrides: Mapping[str, str]) -> Plan:
    """The plan in the text of a file.

    Args:
        text: a JSON object; docs/tuning.md describes its keys.
        overrides: settings that count instead of those in the file.

    Raises:
        InputError: a key, a name or a value is not allowed, or they contradict each other.

    Example:
        >>> plan = read('{"objective": "hessian_norm", "oracle": "grid", "tune": {"epsilon": [0.1, 0.3]}}', {})
        >>> plan.command, plan.parameters[0].values
        ('search', (0.1, 0.3))
    """
    found = descriptions.parse(text, _KEYS)
    command = found.get("command", "search")
    descriptions.require_known(command, tuple(descriptions.CONFIGS), "The command")
    objective, oracle = found.get("objective", ""), found.get("oracle", "")
    descriptions.require_known(objective, figures.known(command), "The objective")
    descriptions.require_known(oracle, ORACLES, "The oracle")
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = descriptions.flags(command, found.get("settings", {})) + descriptions.flags(command, given)
    retrain = found.get("retrain")
    plan = Plan(
        command,
        objective,
        oracle,
        trials=_whole(found, "trials", None),
        seed=_whole(found, "seed", 0, minimum=0, maximum=_LARGEST_SEED),
        factor=_whole(found, "factor", 3, minimum=2),
        settings=settings,
        retrain=None if retrain is None else descriptions.flags("retrain", retrain),
        parameters=_parameters(command, found.get("tune")),
    )
    _check(plan)
    return plan


def fixed(found: Mapping) -> Mapping:
    """What of the object in a file must stay when a tune goes on."""
    return {name: value for name, value in found.items() if name != "trials"}


def _whole(found, name, default, minimum=1, maximum=math.inf):
    value = found.get(name, default)
    if value is not None and (type(value) is not int or not minimum <= value <= maximum):
        bounds = f"at least {minimum}" if maximum == math.inf else f"between {minimum} and {maximum}"
        raise InputError(f"{name} is {json.dumps(value)}; give a whole number that is {bounds}.")
    return value


def _parameters(command, tuned) -> tuple[Parameter, ...]:
    if not isinstance(tuned, dict) or not tuned:
        raise InputError('The file tunes nothing; add "tune": {"epsilon": {"from": 0.03, "to": 0.3}} or the like.')
    fields = {field.name: field for field in dataclasses.fields(descriptions.CONFIGS[command])}
    parameters: list[Parameter] = []
    for name, given in tuned.items():
        descriptions.flag(command, name, 0)  # refuses a name that is none
        if name in descriptions.SHARED:
            raise InputError(f"{name} cannot be tuned; put it among the settings.")
        parameters.append(_parameter(fields[name], given, {each.name: each for each in parameters}))
    return tuple(parameters)


def _parameter(field, given, earlier) -> Parameter:
    given = {"values": given} if isinstance(given, list) else given
    if not isinstance(given, dict):
        raise InputError(f"{field.name} is {json.dumps(given)}; give a list of values, or an object with from and to.")
    for key in given:
        descriptions.require_known(key, _RANGE_KEYS, f"The key of {field.name}")
        if useless := _WITHOUT.get(key, set()) & set(given):
            raise InputError(f"{field.name} has {' and '.join(sorted(useless))} beside {key}; leave one of them away.")
    when = _conditions(field.name, given.get("when", {}), earlier)
    if "values" in given:
        return Parameter(field.name, values=_choices(field, given["values"]), when=when)
    kinds = {field.type, *typing.get_args(field.type)}
    low, high = given.get("from"), given.get("to")
    if not {int, float} & kinds or not all(type(x) in (int, float) for x in (low, high)) or not low < high:
        raise InputError(
            f"{field.name} is {json.dumps(given)}; give values, or numbers from and, larger than that, to."
        )
    if "step" in given:
        return Parameter(field.name, values=_choices(field, _steps(field.name, low, high, given["step"])), when=when)
    scale = given.get("scale", "linear")
    descriptions.require_known(scale, ("linear", "log"), f"The scale of {field.name}")
    if scale == "log" and low <= 0:
        raise InputError(f"{field.name} starts from {low}; a log scale needs a number above 0.")
    return Parameter(field.name, low=low, high=high, whole=int in kinds, scale=scale, when=when)


def _choices(field, values) -> tuple:
    if not isinstance(values, list) or not values or len(set(map(str, values))) < len(values):
        raise InputError(f"{field.name} has the values {json.dumps(values)}; give a list without repetitions.")
    if float in {field.type, *typing.get_args(field.type)} and all(type(value) in (int, float) for value in values):
        values = list(map(float, values))
    # keras-tuner takes values of one type only.
    if len(set(map(type, values))) > 1 or not isinstance(values[0], str | int | float):
        raise InputError(
            f"{field.name} has the values {json.dumps(values)}; give values of one type: whole numbers, other numbers, "
            "texts, or true and false."
        )
    return tuple(values)


def _steps(name, low, high, step) -> list:
    """Values that are evenly spaced, both ends included; rounded, so that 3 steps of 0.1 are 0.3."""
    usable = type(step) in (int, float) and 0 < high - low <= _MOST_STEPS * step
    count = round((high - low) / step) if usable else 0
    if not count or abs(low + count * step - high) > 1e-9 * step:
        raise InputError(f"{name} cannot go from {low} to {high} in steps of {json.dumps(step)}; change one of them.")
    return [round(low + number * step, 12) for number in range(count + 1)]


def _conditions(name, when, earlier) -> dict[str, tuple]:
    if not isinstance(when, dict):
        raise InputError(f'{name} is tuned when {json.dumps(when)}; write "when": {{"method": ["rs"]}} or the like.')
    conditions = {}
    for parent, values in when.items():
        wanted = tuple(values) if isinstance(values, list) else (values,)
        known = earlier[parent].values or () if parent in earlier else ()
        if not wanted or not all(value in known for value in wanted):
            raise InputError(
                f"{name} is tuned when {parent} is {', '.join(map(str, wanted)) or 'one of none'}; name a parameter "
                "above it that has these values."
            )
        conditions[parent] = wanted
    return conditions


def _check(plan: Plan) -> None:
    """Raises InputError where the parts of a plan contradict each other, or a value that is tuned is not allowed."""
    plan.settings_config()
    if plan.objective.startswith(figures.RETRAINED):
        if plan.retrain is None:
            raise InputError(f'{plan.objective} needs trainings; add "retrain": {{...}} with their settings.')
        figures.measuring(plan.retrain_config(), plan.objective.removeprefix(figures.RETRAINED))
    parameters = {each.name: each for each in plan.parameters}
    _check_oracle(plan, parameters)
    for parameter in plan.parameters:
        for value in parameter.limits():
            _check_value(plan, parameters, parameter.name, value)


def _check_value(plan, parameters, name, value) -> None:
    """Raises InputError for a value with which no trial can begin, whatever others are drawn, as far as tries show."""
    first = None
    for values in _tries(parameters, name, value):
        try:
            _check_trial(plan, values)
            return
        except InputError as error:
            first = first or error
    raise first


def _tries(parameters, name, value):
    """Values of trials that have a given one: first nothing but what it depends on, then with others by chance."""
    fixed, children = {name: (value,)}, [name]
    while children:
        parents = parameters[children.pop()].when
        fixed = {**parents, **fixed}
        children += parents
    yield {parameter: allowed[0] for parameter, allowed in fixed.items()}
    draws = random.Random(0)
    for _ in range(_TRIES):
        values = {}
        for each in parameters.values():
            if all(values.get(parent) in wanted for parent, wanted in each.when.items()):
                values[each.name] = draws.choice(fixed.get(each.name, each.limits()))
        yield values


def _check_trial(plan, values) -> None:
    flags = [descriptions.flag(plan.command, name, value) for name, value in values.items()]
    config = descriptions.config(plan.command, plan.settings, flags)
    if not plan.objective.startswith(figures.RETRAINED):
        figures.measuring(config, plan.objective)
    if plan.oracle == "hyperband":  # which pauses its runs
        config = dataclasses.replace(config, stop_after=1)
    checks.check(config, plan.retrain_config())


def _check_oracle(plan, parameters: Mapping[str, Parameter]) -> None:
    if plan.oracle in ("random", "bayesian") and plan.trials is None:
        raise InputError(f'The oracle {plan.oracle} needs a number of trials; add "trials": 20 or the like.')
    ranges = [name for name, each in parameters.items() if each.values is None]
    if plan.oracle == "grid" and ranges:
        raise InputError(f'The grid needs single values of {", ".join(ranges)}; add a "step", or list "values".')
    if plan.oracle != "hyperband":
        return
    if plan.trials is not None:
        raise InputError("Hyperband makes as many trials as its epochs and its factor ask for; leave trials out.")
    if plan.settings_config().epochs is None:
        raise InputError('Hyperband shares out the epochs of the longest run; add "epochs" to the settings.')
    if "epochs" in parameters:
        raise InputError("Hyperband tunes the epochs itself; leave epochs out of tune and put them into settings.")
    if plan.objective.startswith((figures.RETRAINED, "test_")):
        raise InputError(
            f"Hyperband compares unfinished runs, which have no {plan.objective}; choose another objective."
        )
