"""The limits of every setting, and configurations as JSON."""

import dataclasses
import json
import math
import re
import typing

import pytest

from sdarts_tf import command_line, spaces
from sdarts_tf import config as configuration
from sdarts_tf.config import RetrainConfig, SearchConfig, setting
from sdarts_tf.errors import InputError

FIELDS = dataclasses.fields(SearchConfig)
CONFIGS = [value for name, value in vars(configuration).items() if name.endswith("Config")]
SETTINGS = [
    pytest.param(config_class, field, id=f"{config_class.__name__}.{field.name}")
    for config_class in CONFIGS
    for field in dataclasses.fields(config_class)
]


@dataclasses.dataclass(frozen=True)
class Limited:
    """One field for every kind of limit."""

    low: float = setting(1.0, "help", minimum=1.0)
    high: float = setting(1.0, "help", maximum=2.0)
    both: int | None = setting(3, "help", minimum=2, maximum=4)
    word: str = setting("a", "help", choices=("a", "b"))
    words: tuple[str, ...] = setting((), "help")

    def __post_init__(self):
        configuration.validate(self)


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_a_field_has_a_one_line_help_and_a_valid_default(config_class, field):
    text = field.metadata["help"]
    assert 10 < len(text) <= 120 and "\n" not in text and text[-1] != "."
    assert field.default is None or not field.metadata["choices"] or field.default in field.metadata["choices"]
    assert set(field.metadata) == {"help", "unit", "choices", "minimum", "maximum", "defaults"}


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_a_field_that_may_be_none_is_none_unless_given(config_class, field):
    """Otherwise a flag file, which leaves None out, could not say None."""
    if type(None) in typing.get_args(field.type):
        assert field.default is None


def test_the_defaults_are_the_papers():
    """Chen & Hsieh, section 5.1, and the official code's arguments."""
    config = SearchConfig().completed()
    assert (config.epochs, config.batch_size, config.channels, spaces.supernet_cells(config.space)) == (50, 64, 16, 8)
    assert (config.learning_rate, config.min_learning_rate, config.momentum) == (0.025, 0.001, 0.9)
    assert (config.weight_decay, config.gradient_clip) == (3e-4, 5.0)
    assert (config.alpha_learning_rate, config.alpha_weight_decay) == (3e-4, 1e-3)
    assert (config.epsilon_start, config.epsilon, config.pgd_steps) == (0.03, 0.3, 7)
    assert (config.train_share, config.seed) == (0.5, 2)


def test_the_defaults_for_recurrent_cells_are_the_official_ones():
    """The arguments of `sota/rnn/train_search.py` and `train.py`."""
    config = SearchConfig(space="recurrent").completed()
    assert (config.dataset, config.epochs, config.batch_size, config.units, config.bptt) == ("ptb", 50, 256, 300, 35)
    assert (config.learning_rate, config.min_learning_rate, config.momentum) == (20.0, 20.0, 0.0)
    assert (config.weight_decay, config.gradient_clip) == (5e-7, 0.25)
    assert (config.alpha_learning_rate, config.alpha_weight_decay) == (3e-3, 1e-3)
    assert (config.word_dropout, config.embedding_dropout, config.slowness) == (0.0, 0.2, 1e-3)
    assert (config.input_dropout, config.hidden_dropout, config.output_dropout) == (0.75, 0.25, 0.75)
    config = RetrainConfig(genotype="penn_pgd").completed("recurrent")
    assert (config.epochs, config.batch_size, config.units, config.bptt) == (8000, 64, 850, 35)
    assert (config.learning_rate, config.momentum, config.weight_decay) == (20.0, 0.0, 8e-7)
    assert (config.gradient_clip, config.averaging_patience, config.slowness) == (0.25, 5, 1e-3)
    assert (config.word_dropout, config.embedding_dropout) == (0.1, 0.2)
    assert (config.input_dropout, config.hidden_dropout, config.output_dropout) == (0.75, 0.25, 0.75)


def test_completing_keeps_what_is_given():
    config = SearchConfig(space="recurrent", learning_rate=1.0, batch_size=8).completed()
    assert (config.learning_rate, config.batch_size, config.momentum) == (1.0, 8, 0.0)
    assert config.completed() == config


@pytest.mark.parametrize("change", [{"low": 1.0}, {"low": 1e300}, {"high": -1e300}, {"high": 2.0}, {"both": 2}])
def test_limits_are_inclusive_and_one_side_is_open(change):
    name, value = next(iter(change.items()))
    assert getattr(Limited(**change), name) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.999}, "--low=0.999 is out of range; give a number that is at least 1.0."),
        ({"low": math.inf}, "--low=inf is out of range; give a number that is at least 1.0."),
        ({"low": math.nan}, "--low=nan is out of range; give a number that is at least 1.0."),
        ({"high": 2.001}, "--high=2.001 is out of range; give a number that is at most 2.0."),
        ({"high": math.nan}, "--high=nan is out of range; give a number that is at most 2.0."),
        ({"both": 1}, "--both=1 is out of range; give a number that is between 2 and 4."),
        ({"both": 5}, "--both=5 is out of range; give a number that is between 2 and 4."),
        ({"word": "c"}, "--word=c is not known; choose from a, b."),
        (
            {"words": ("a", "")},
            "--words has an empty value; write one comma between two values and none at the end.",
        ),
        ({"words": ("b", "a", "c", "b", "a")}, "--words has a, b twice; give each value once."),
    ],
)
def test_limits(change, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Limited(**change)


def test_none_is_within_all_limits():
    assert Limited(both=None).both is None
    assert SearchConfig(max_examples=None, crop_padding=None).max_examples is None


def test_the_first_wrong_field_is_named():
    with pytest.raises(InputError, match=r"^--low=0 "):
        Limited(low=0, high=9, word="c")


@pytest.mark.parametrize("limit, step", [("minimum", -1), ("maximum", 1)])
@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_a_limit_is_allowed_and_what_lies_beyond_is_refused(config_class, field, limit, step):
    value = field.metadata[limit]
    if value is None:
        return
    assert getattr(config_class(**{field.name: value}), field.name) == value
    beyond = value + step if isinstance(value, int) else math.nextafter(value, step * math.inf)
    with pytest.raises(InputError, match=f"^--{field.name}={re.escape(str(beyond))} is out of range"):
        config_class(**{field.name: beyond})


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_no_number_may_be_nan(config_class, field):
    if float in (field.type, *typing.get_args(field.type)):
        with pytest.raises(InputError, match=f"^--{field.name}=nan is out of range; give a number that is "):
            config_class(**{field.name: math.nan})


@pytest.mark.parametrize("config_class, field", SETTINGS)
def test_only_the_choices_are_allowed(config_class, field):
    for choice in field.metadata["choices"]:
        assert getattr(config_class(**{field.name: choice}), field.name) == choice
    if field.metadata["choices"]:
        with pytest.raises(InputError, match=f"^--{field.name}=neither is not known; choose from "):
            config_class(**{field.name: "neither"})


@pytest.mark.parametrize("name", ["momentum", "train_share"])
def test_a_share_is_at_most_one(name):
    with pytest.raises(InputError, match=f"^--{name}=1.5 is out of range; give a number that is between 0.0 and 1.0"):
        SearchConfig(**{name: 1.5})


def test_json_round_trip():
    config = SearchConfig(method="adv", epsilon=0.1, flip=False, crop_padding=0, run_dir='a "b"\nc', resume=True)
    text = configuration.to_json(config)
    assert configuration.from_json(SearchConfig, text) == config
    assert list(json.loads(text)) == [field.name for field in FIELDS]
    assert json.loads(text)["max_examples"] is None and json.loads(text)["flip"] is False


def test_several_values_survive_json():
    config = Limited(words=("a", "b,c"))
    assert configuration.from_json(Limited, configuration.to_json(config)) == config


def test_a_missing_saved_setting_has_its_default():
    assert configuration.from_json(SearchConfig, '{"epochs": 3}') == SearchConfig(epochs=3)


def test_unknown_saved_settings_are_listed():
    message = "The saved configuration has unknown settings aa, zz; it was written by another version."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        configuration.from_json(SearchConfig, '{"zz": 1, "epochs": 3, "aa": 2}')


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"epochs": "three"}'])
def test_a_damaged_configuration_is_one_sentence(text):
    with pytest.raises(InputError, match=r"^The saved configuration is damaged \(.*\); start another run\.$"):
        configuration.from_json(SearchConfig, text)


def test_a_saved_setting_is_validated():
    with pytest.raises(InputError, match=r"^--epochs=0 is out of range"):
        configuration.from_json(SearchConfig, '{"epochs": 0}')


@pytest.mark.parametrize("config_class", CONFIGS)
def test_the_defaults_survive_json_and_a_flag_file(config_class):
    config = config_class()
    assert configuration.from_json(config_class, configuration.to_json(config)) == config
    assert command_line.parse(config_class, command_line.to_flagfile(config).splitlines()) == config


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SearchConfig().epochs = 3
