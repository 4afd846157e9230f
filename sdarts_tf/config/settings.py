"""A setting: a field of a configuration, with its help line and limits; and configurations as JSON."""

import dataclasses
import json
import math
from typing import Any

from sdarts_tf.errors import InputError


def setting(default: Any, help: str, *, unit: str = "", choices: tuple = (), minimum=None, maximum=None):
    """A field of a configuration: its default, its help line and the values that are allowed.

    Args:
        default: the default value; its type (or the annotation, if None) is the flag's type.
        help: one line for `--help`.
        unit: unit or range of the value, shown in brackets after the help line.
        choices: if given, the only values allowed.
        minimum, maximum: inclusive limits of a number; None leaves that side open.
    """
    metadata = {"help": help, "unit": unit, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


def validate(config) -> None:
    """Raises InputError for the first field of a configuration whose value is not allowed."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        if value is None:
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
    """Raises InputError unless a batch can be computed in `accumulate_steps` equal parts."""
    if config.batch_size % config.accumulate_steps:
        raise InputError(
            f"--batch_size={config.batch_size} cannot be divided into --accumulate_steps={config.accumulate_steps} "
            f"equal parts; choose a multiple of {config.accumulate_steps}."
        )


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
    try:
        return config_class(**record)
    except TypeError as error:  # a text where a number belongs
        raise InputError(f"The saved configuration is damaged ({error}); start another run.") from error
