"""What the JSON files of tunes and sweeps have in common: they are read, their keys checked, their settings parsed."""

import dataclasses
import difflib
import json
import math
import pathlib
from collections.abc import Mapping, Sequence

from sdarts_tf import command_line
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError

CONFIGS = {"search": SearchConfig, "retrain": RetrainConfig}
SHARED = ("flagfile", "plugin")  # what all runs of a study have in common, so that its folder can keep it
# What every run of a study gets from the study itself, or would make it no run.
_RESERVED = {"run_dir": None, "resume": False, "stop_after": None, "check_data": False}


def load(path, what: str) -> str:
    """The text of a file.

    Raises:
        InputError: it is not named, or cannot be read.
    """
    if path is None:
        raise InputError(f"--file is needed: name the JSON file that describes the {what}; examples/ has some.")
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"--file={path} cannot be read ({reason}); name a JSON file.") from error


def parse(text: str, keys: Sequence[str]) -> dict:
    """The object that a text holds.

    Args:
        text: JSON.
        keys: those that are allowed.

    Raises:
        InputError: it is no JSON object, or has another key.

    Example:
        >>> parse('{"trials": 3}', ["trials", "seed"])
        {'trials': 3}
    """
    hooks = {"object_pairs_hook": _object, "parse_int": _number(int), "parse_float": _number(float)}
    try:
        found = json.loads(text, parse_constant=_number(float), **hooks)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"The file is not JSON ({reason}); write one object, as the files in examples/ do.") from error
    if not isinstance(found, dict):
        raise InputError("The file holds no JSON object; write {...}, as the files in examples/ do.")
    for name in found:
        require_known(name, keys, "The file's key")
    return found


def _object(pairs):
    """An object, of which Python's reader would drop the first of two values of a key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has the key {max(names, key=names.count)!r} twice")
    return found


def _number(kind):
    """What reads a number: neither infinite nor, like NaN, none."""

    def read(text):
        if not math.isfinite(float(text)):
            raise ValueError(f"{text:.20} is no number that can be used")
        return kind(text)

    return read


def resolved(text: str) -> str:
    """The description of a study, in which the flags of flag files stand in place of the files' names.

    Args:
        text: of a study that has been read without error.

    Example:
        >>> resolved('{"settings": {"seed": 3}}')
        '{"settings": {"seed": 3}}'
    """
    found = json.loads(text)
    groups = {"settings": found.get("command", "search"), "retrain": "retrain"}
    for name, command in groups.items():
        if "flagfile" in (found.get(name) or {}):
            settings = command_line.given(CONFIGS[command], flags(command, found[name]))
            found[name] = {key: value for key, value in settings.items() if key not in _RESERVED}
            text = json.dumps(found, indent=1) + "\n"
    return text


def require_known(name: str, names: Sequence[str], what: str) -> None:
    """Raises InputError, with the nearest known name, for one that is not known."""
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}."
        raise InputError(f"{what} {name!r} is not known; {hint}")


def flag(command: str, name: str, value) -> str:
    """A setting as a flag.

    Raises:
        InputError: the command has no such setting, or a study chooses it itself.

    Example:
        >>> flag("search", "epsilon", 0.1), flag("retrain", "flip", True), flag("search", "flagfile", "flags/a.flags")
        ('--epsilon=0.1', '--flip=true', '--flagfile=flags/a.flags')
    """
    names = [field.name for field in dataclasses.fields(CONFIGS[command]) if field.name not in _RESERVED]
    require_known(name, [*names, "flagfile"], f"The setting of {command}")
    if isinstance(value, dict | list) or value is None:
        raise InputError(f"The setting {name} is {json.dumps(value)}; give one text, number, true or false.")
    return f"--{name}={str(value).lower() if isinstance(value, bool) else value}"


def flags(command: str, settings: Mapping) -> tuple[str, ...]:
    """Settings as flags; InputError as `flag` raises it, or if they are no JSON object."""
    if not isinstance(settings, Mapping):
        raise InputError(f"The settings of {command} are {json.dumps(settings)}; write an object, {{...}}.")
    return tuple(flag(command, name, value) for name, value in settings.items())


def config(command: str, *groups: Sequence[str]):
    """The configuration of a command; of two flags the later one counts. InputError as flags raise it.

    What a study chooses itself a flag file of a run may have all the same; it does not count.
    """
    parsed = command_line.parse(CONFIGS[command], [each for group in groups for each in group])
    return dataclasses.replace(parsed, **_RESERVED)
