"""The limits of every setting, and configurations as JSON."""

import dataclasses
import json
import math

import pytest

from sdarts_tf import command_line, config
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError

CONFIGS = [
    value
    for value in vars(config).values()
    if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__name__.endswith("Config")
]
SETTINGS = [
    pytest.param(config_class, field, id=f"{config_class.__name__}.{field.name}")
    for config_class in CONFIGS
    for field in dataclasses.fields(config_class)
]


@pytest.fixture(params=CONFIGS, ids=lambda config_class: config_class.__name__)
def defaults(request):
    return request.param()


def limits_of(name):
    """`(config class, field, limit)` of every setting that has the limit `name`."""
    return [
        pytest.param(*setting.values, setting.values[1].metadata[name], id=setting.id)
        for setting in SETTINGS
        if setting.values[1].metadata[name] not in (None, ())
    ]


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_every_setting_says_what_it_is(config_class, field):
    assert field.metadata["help"].strip()
    assert field.default is not dataclasses.MISSING


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_a_setting_that_may_be_none_is_none_unless_given(config_class, field):
    """Otherwise a flag file, which leaves None out, could not say None."""
    if isinstance(None, field.type):
        assert field.default is None


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_no_number_may_be_nan(config_class, field):
    if not isinstance(0.5, field.type):
        pytest.skip("not a float")
    with pytest.raises(InputError, match=f"--{field.name}=nan is out of range; give a number that is "):
        config_class(**{field.name: math.nan})


@pytest.mark.parametrize("config_class, field, minimum", limits_of("minimum"))
def test_a_minimum_is_allowed_and_what_lies_below_is_not(config_class, field, minimum):
    assert getattr(config_class(**{field.name: minimum}), field.name) == minimum
    below = minimum - 1 if isinstance(minimum, int) else math.nextafter(minimum, -math.inf)
    with pytest.raises(InputError, match=rf"--{field.name}=\S+ is out of range; give .* {minimum}"):
        config_class(**{field.name: below})


@pytest.mark.parametrize("config_class, field, maximum", limits_of("maximum"))
def test_a_maximum_is_allowed_and_what_lies_above_is_not(config_class, field, maximum):
    assert getattr(config_class(**{field.name: maximum}), field.name) == maximum
    above = maximum + 1 if isinstance(maximum, int) else math.nextafter(maximum, math.inf)
    with pytest.raises(InputError, match=rf"--{field.name}=\S+ is out of range; give .* {maximum}"):
        config_class(**{field.name: above})


@pytest.mark.parametrize("config_class, field, choices", limits_of("choices"))
def test_only_the_choices_are_allowed(config_class, field, choices):
    for choice in choices:
        assert getattr(config_class(**{field.name: choice}), field.name) == choice
    with pytest.raises(InputError, match=f"--{field.name}=neither is not known; choose from {', '.join(choices)}"):
        config_class(**{field.name: "neither"})


@pytest.mark.parametrize(
    "limits, value, allowed",
    [
        ({"minimum": 1}, 0, "at least 1"),
        ({"maximum": 1}, 2, "at most 1"),
        ({"minimum": 0, "maximum": 1}, 2, "between 0 and 1"),
    ],
)
def test_the_sentence_names_the_limits_that_there_are(limits, value, allowed):
    record = dataclasses.make_dataclass("Record", [("size", int, config.setting(0, "a size", **limits))])
    with pytest.raises(InputError, match=rf"^--size={value} is out of range; give a number that is {allowed}\.$"):
        config.validate(record(value))


def test_none_is_within_every_limit():
    assert SearchConfig(max_examples=None).max_examples is None


def test_a_configuration_cannot_be_changed(defaults):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(defaults, dataclasses.fields(defaults)[0].name, "other")


def test_json_round_trip_keeps_every_setting(defaults):
    text = config.to_json(defaults)
    assert config.from_json(type(defaults), text) == defaults
    assert list(json.loads(text)) == [field.name for field in dataclasses.fields(defaults)]


def test_json_round_trip_of_what_was_changed():
    changed = SearchConfig(method="adv", learning_rate=1e-7, flip=False, max_examples=12, data_dir="ein Ordner/ä")
    assert config.from_json(SearchConfig, config.to_json(changed)) == changed


def test_a_saved_setting_that_is_unknown_is_named():
    text = json.dumps({"method": "rs", "warmth": 3, "colour": "red"})
    with pytest.raises(InputError, match="unknown settings colour, warmth;"):
        config.from_json(SearchConfig, text)


def test_a_saved_setting_that_is_out_of_range_is_refused():
    with pytest.raises(InputError, match="--epochs=0 is out of range"):
        config.from_json(SearchConfig, '{"epochs": 0}')


def test_a_flag_file_round_trip_keeps_every_setting(defaults):
    lines = command_line.to_flagfile(defaults).splitlines()
    assert command_line.parse(type(defaults), lines) == defaults
