"""From a configuration's fields to flags, and from exceptions to exit statuses."""

import contextlib
import dataclasses
import errno
import importlib.util
import os
import sys
import tempfile
import textwrap
import traceback
import typing

from absl import flags

from sdarts_tf.errors import InputError, RunError

_HELP_FLAGS = ("--help", "-h", "-help", "--helpfull", "--helpshort")


class _Help(Exception):
    """The user asked for help; the text is the message."""


def _kind(field):
    """The type of a field's value: that of `int | None` is int."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    return kinds[0] if kinds else field.type


def _define(config_class) -> flags.FlagValues:
    """One flag for every field, in a set of flags of its own: importing or parsing changes nothing global."""
    define = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
    values = flags.FlagValues()
    for field in dataclasses.fields(config_class):
        define[_kind(field)](field.name, field.default, field.metadata["help"], flag_values=values)
    return values


def usage(config_class, description: str) -> str:
    """The help text: every flag with its default, its help line and its unit."""
    lines = [description.strip(), "", "Flags:"]
    for field in dataclasses.fields(config_class):
        default = "" if field.default is None else f"={field.default}"
        unit = f" [{field.metadata['unit']}]" if field.metadata["unit"] else ""
        name = f"--[no]{field.name}" if _kind(field) is bool else f"--{field.name}{default}"
        lines.append(f"  {name}")
        lines += textwrap.wrap(field.metadata["help"] + unit, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    lines += ["  --flagfile=FILE", "      read flags from a file, one a line, # for comments; later flags win"]
    return "\n".join(lines)


def parse(config_class, arguments, description=""):
    """The configuration that command-line arguments describe.

    Args:
        config_class: a dataclass of `config.py`.
        arguments: what follows the program's name.
        description: first lines of the help text.

    Raises:
        InputError: a flag is unknown, malformed or out of range, or an argument is no flag.

    Example:
        >>> from sdarts_tf.config import SearchConfig
        >>> parse(SearchConfig, ["--method=adv", "--epochs=5"]).epochs
        5
    """
    if any(argument in _HELP_FLAGS for argument in arguments):
        raise _Help(usage(config_class, description))
    values = _define(config_class)
    try:
        rest = values(["", *arguments])[1:]
    except (flags.Error, ValueError) as error:  # absl leaks a ValueError for --noresume=1 and for a binary flag file
        sentence = " ".join(str(error).split()).replace(" ?", "?").removeprefix("ERROR:: ")
        raise InputError(f"{sentence.rstrip('.')}; --help lists the flags.") from error
    if rest:
        raise InputError(f"{rest[0]!r} is not a flag; flags begin with --, for example --method=rs (--help lists them).")
    return config_class(**{field.name: values[field.name].value for field in dataclasses.fields(config_class)})


def to_flagfile(config) -> str:
    """The configuration as a flag file, one flag a line; `--flagfile` reads it back."""
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, bool):
            lines.append(f"--{'' if value else 'no'}{field.name}")
        elif value is not None:
            lines.append(f"--{field.name}={value}")
    return "\n".join(lines) + "\n"


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up banners.

    They are written by native code to file descriptor 2. Where the import fails they are shown.

    Raises:
        InputError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError("TensorFlow is not installed; run pip install 'sdarts_tf[cpu]', or 'sdarts_tf[gpu]' for NVIDIA.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as banners:
        kept = os.dup(2)
        os.dup2(banners.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()  # the banners of the devices come with their first use
        except BaseException:
            os.dup2(kept, 2)
            banners.seek(0)
            os.write(2, banners.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def run(main, config_class, *, description: str) -> int:
    """Runs a command: parses its flags, calls `main(config)`, and turns what goes wrong into one sentence.

    Returns:
        The exit status: 0; 2 for wrong flags or input; 1 for a failure while running; 130 and 143 after Ctrl-C and
        SIGTERM. A bug in the package shows its traceback.
    """
    program = f"sdarts_tf.{os.path.basename(sys.argv[0]).removesuffix('.py')}"
    try:
        return main(parse(config_class, sys.argv[1:], description)) or 0
    except _Help as text:
        print(text)
        return 0
    except InputError as error:
        return _fail(program, error, 2)
    except RunError as error:
        return _fail(program, error, getattr(error, "exit_status", 1))
    except KeyboardInterrupt:
        return _fail(program, "Interrupted; nothing was saved since the last checkpoint.", 130)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(program, "The disk is full; free some space, then go on with --resume.", 1)
        traceback.print_exc()
        return 1


def _fail(program, message, status):
    with contextlib.suppress(BrokenPipeError):
        print(f"{program}: {' '.join(str(message).splitlines())}", file=sys.stderr)
    return status
