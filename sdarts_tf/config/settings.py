"""A setting: a field of a configuration, with its help line and limits; and configurations as JSON."""

import dataclasses
import json
import math
from typing import Any

from sdarts_tf.errors import InputError

TEXT_UNITS = ("words", "characters")


def setting(
    default: Any, help: str, *, unit: str = "", choices: tuple = (), minimum=None, maximum=None, recurrent: Any = None
):
    """A field of a configuration: its default, its help line and the values that are allowed.

    A field with another default for recurrent cells is None until `complete` fills it in.

    Args:
        default: the default value; its type (or the annotation, if None) is the flag's type.
        help: one line for `--help`.
        unit: unit or range of the value, shown in brackets after the help line.
        choices: if given, the only values allowed.
        minimum, maximum: inclusive limits of a number; None leaves that side open.
        recurrent: the default for recurrent cells, where it differs.
    """
    defaults = {} if recurrent is None else {"images": default, "recurrent": recurrent}
    metadata = {"help": help, "unit": unit, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=None if defaults else default, metadata=metadata | {"defaults": defaults})


def default_of(field: dataclasses.Field, family: str):
    """The default of a field for `"images"` or for `"recurrent"` cells."""
    return field.metadata["defaults"].get(family, field.default)


def complete(config, family: str):
    """The configuration, in which what was left open has the default of its family.

    Args:
        config: a configuration.
        family: `"images"` or `"recurrent"`.
    """
    left_open = {
        field.name: field.metadata["defaults"][family]
        for field in dataclasses.fields(config)
        if field.metadata["defaults"] and getattr(config, field.name) is None
    }
    return dataclasses.replace(config, **left_open)


def validate(config) -> None:
    """Raises InputError for the first field of a configuration whose value is not allowed."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        if value is None:
            continue
        if isinstance(value, tuple):
            _validate_texts(field.name, value)
            continue
        if limits["choices"] and value not in limits["choices"]:
            raise InputError(
                f"--{field.name}={value} is not known; choose from {', '.join(map(str, limits['choices']))}."
            )
        low, high = limits["minimum"], limits["maximum"]
        # Written so that NaN, which compares false with everything, is refused too.
        outside = (low is not None and not value >= low) or (high is not None and not value <= high)
        if outside or value == math.inf:
            bounds = (
                f"at least {low}"
                if high is None
                else f"between {low} and {high}"
                if low is not None
                else f"at most {high}"
            )
            raise InputError(f"--{field.name}={value} is out of range; give a number that is {bounds}.")


def validate_parts(config) -> None:
    """Raises InputError unless what saves memory does: equal parts, each by itself; recomputation without XLA."""
    if config.batch_size is not None and config.batch_size % config.accumulate_steps:
        raise InputError(
            f"--batch_size={config.batch_size} cannot be divided into --accumulate_steps={config.accumulate_steps} "
            f"equal parts; choose a multiple of {config.accumulate_steps}."
        )
    if config.recompute and (config.jit_compile or config.strategy == "tpu"):
        raise InputError(
            "--recompute saves nothing under XLA, which merges the second computation with the first; leave it away "
            "with --jit_compile and on TPUs."
        )
    if config.sync_batch_norm and config.accumulate_steps > 1:
        raise InputError(
            "--sync_batch_norm normalizes over the whole batch, which --accumulate_steps never holds at once; leave "
            "one of them away."
        )


def _validate_texts(name, texts):
    if "" in texts:
        raise InputError(f"--{name} has an empty value; write one comma between two values and none at the end.")
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise InputError(f"--{name} has {', '.join(twice)} twice; give each value once.")


def to_json(config) -> str:
    """The configuration as indented JSON, field by field."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(config_class, text: str):
    """The inverse of `to_json`; InputError for anything that `config_class` cannot hold."""
    try:
        record = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise InputError(f"The saved configuration is damaged ({error}); start another run.") from error
    unknown = sorted(set(record) - {field.name for field in dataclasses.fields(config_class)})
    if unknown:
        raise InputError(
            f"The saved configuration has unknown settings {', '.join(unknown)}; it was written by another version."
        )
    # JSON knows no tuples.
    record = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    try:
        return config_class(**record)
    except TypeError as error:  # a text where a number belongs
        raise InputError(f"The saved configuration is damaged ({error}); start another run.") from error
