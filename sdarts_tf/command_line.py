"""From a configuration's fields to flags, and from exceptions to exit statuses. Imports no TensorFlow by itself."""

import contextlib
import csv
import dataclasses
import difflib
import errno
import importlib.util
import io
import itertools
import os
import platform
import re
import sys
import tempfile
import textwrap
import traceback
import typing

from absl import flags

from sdarts_tf.errors import InputError, RunError
from sdarts_tf.spaces import plugins

# By itself TensorFlow uses oneDNN's kernels on newer x86 processors only, with AVX-512 VNNI or the like; on others a
# search takes half as long again without them (docs/performance.md). Said before anything can import TensorFlow, as the
# only thing that an import does here.
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HELP_FLAGS = {"-h", "-help", "--help", "--helpfull", "--helpshort"}
_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
_KIND_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "texts with commas between them, one that has a comma itself in double quotes",
}


class HelpRequested(Exception):
    """The user asked for help; the message is the help text."""


def parse(config_class, argv, *, program="sdarts_tf", description=""):
    """The configuration that command-line arguments describe. Reads and changes nothing global.

    A value given later wins, also over one from a `--flagfile`; flag files may name further flag files. A flag of
    several values, `tuple[str, ...]`, takes them with commas between them, or is given several times, or both.

    Args:
        config_class: a dataclass whose fields come from `config.setting`.
        argv: what follows the program's name.
        program: how the command is called, for the help text, for example `"sdarts_tf.search"`.
        description: first lines of the help text.

    Returns:
        A `config_class`, checked.

    Raises:
        HelpRequested: one of the arguments is `--help`, `-h` or `--helpfull`.
        InputError: a flag is unknown, malformed or out of range, or an argument is no flag.

    Example:
        >>> from sdarts_tf.config import SearchConfig
        >>> parse(SearchConfig, ["--method=adv", "--epochs=5"]).epochs
        5
    """
    if _HELP_FLAGS.intersection(argv):
        raise HelpRequested(usage(config_class, program=program, description=description))
    values = _parsed(config_class, argv, program)
    return config_class(**{field.name: _value(field, values) for field in dataclasses.fields(config_class)})


def given(config_class, argv) -> dict:
    """The values that command-line arguments name, those of their flag files among them; what they leave open is not.

    Args:
        config_class: as `parse`'s.
        argv: as `parse`'s; `--help` is not looked for.

    Raises:
        InputError: a flag is unknown or malformed, or an argument is no flag.

    Example:
        >>> from sdarts_tf.config import SearchConfig
        >>> given(SearchConfig, ["--method=adv", "--seed=2"])
        {'method': 'adv', 'seed': 2}
    """
    values = _parsed(config_class, argv, "sdarts_tf")
    fields = dataclasses.fields(config_class)
    return {field.name: _value(field, values) for field in fields if values[field.name].present}


def usage(config_class, *, program="sdarts_tf", description="") -> str:
    """The help text: every flag with the kind of its value, its default, its help line and its unit."""
    lines = [description.strip(), "", f"Usage: python -m {program} [--name=value ...]", ""]
    entries = [(_heading(field), _help_line(field)) for field in dataclasses.fields(config_class)]
    entries.append(
        ("--flagfile=FILE", "read flags from a file, one --name=value a line, # for comments; later flags win")
    )
    entries.append(("--help", "show this list"))
    for heading, help_line in entries:
        lines.append(f"  {heading}")
        wrapped = textwrap.wrap(help_line, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines += [line.replace("\0", " ") for line in wrapped]
    return "\n".join(lines).strip()


def to_flagfile(config) -> str:
    """The configuration as a flag file, one flag a line; `--flagfile` reads it back.

    Fields that are None or empty are left out.

    Raises:
        InputError: a text cannot stand on a line of its own, because of line breaks or of blanks at its end.
    """
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None or value == ():
            continue
        if isinstance(value, bool):
            line = f"--{'' if value else 'no'}{field.name}"
        else:
            line = f"--{field.name}={_joined(value) if isinstance(value, tuple) else value}"
        if line.splitlines() != [line.strip()]:
            raise InputError(f"--{field.name}={value!r} cannot be saved; leave out line breaks and blanks at its end.")
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def run(main, config_class, *, description: str) -> int:
    """Runs a command: parses its flags, calls `main(config)`, and turns what goes wrong into one sentence.

    Args:
        main: the command; returns an exit status, or None for 0.
        config_class: a dataclass whose fields come from `config.setting`.
        description: first lines of the help text.

    Returns:
        The exit status: what `main` returned; 2 for wrong flags, input or permissions; 1 for a failure while running,
        a full disk, or a bug, which shows its traceback; 3 for a training that diverged; 130 and 143 after Ctrl-C and
        SIGTERM; 141 where the reader of the output went away.
    """
    program = f"sdarts_tf.{os.path.basename(sys.argv[0]).removesuffix('.py')}"
    try:
        status = _call(main, config_class, program, description)
        print(end="", flush=True)  # a closed pipe or a full disk is met here, not at the interpreter's end
        return status
    except BrokenPipeError:
        status, sentence = 141, None
    except (Exception, KeyboardInterrupt) as error:
        status, sentence = _verdict(error, go_on=_how_to_go_on(config_class))
    _settle_output()
    if sentence is not None:
        with contextlib.suppress(BrokenPipeError):
            print(f"{program}: {' '.join(sentence.splitlines())}", file=sys.stderr)
    return status


def load_plugin(path) -> None:
    """Loads a plugin, before which TensorFlow is imported; does nothing where `path` is None.

    Raises:
        InputError: it is missing, fails, or defines nothing that can be used.
    """
    if path is None:
        return
    plugins.read(path)  # a wrong path is noticed at once
    import_tensorflow()
    plugins.load(path)


def say_inspection(inspection, sheet) -> int:
    """Prints what `check_data` found; the exit status, 2 where the data cannot be used."""
    print(inspection)
    if sheet is not None:
        print(f"\nImages as training sees them: {sheet}")
    return 0 if inspection.usable else 2


def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up banners and sets its log to errors.

    Native code writes the banners to file descriptor 2; they are shown if the import fails. With TF_CPP_MIN_LOG_LEVEL
    set to less than 3 everything is shown, for example to see why a GPU is not found.

    Raises:
        InputError: TensorFlow is not installed.
    """
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:  # no origin: a folder that an uninstalled package left behind
        raise InputError(
            "TensorFlow is not installed; run pip install 'sdarts_tf[cpu]', or 'sdarts_tf[gpu]' for NVIDIA."
        )
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3"
    with native_output_held() if quiet else contextlib.nullcontext():
        import tensorflow as tf

        tf.config.list_physical_devices()  # the banners of the devices come with their first use
    if quiet:
        from absl import logging

        logging.set_verbosity(logging.ERROR)


def _kind(field):
    """The type of a field's value: that of `int | None` is int, that of `tuple[str, ...]` is tuple."""
    if typing.get_origin(field.type) is tuple:
        return tuple
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    return kinds[0] if kinds else field.type


def _define(config_class) -> flags.FlagValues:
    """One flag for every field, in a set of flags of its own."""
    values = flags.FlagValues()
    # Otherwise a --flagfile after a value of its own, as in `--method adv --flagfile=x`, is passed over in silence.
    values.set_gnu_getopt(True)
    for field in dataclasses.fields(config_class):
        name, default, help_line = field.name, field.default, field.metadata["help"]
        if _kind(field) is tuple:
            flags.DEFINE_multi(flags.ListParser(), None, name, default, help_line, flag_values=values)
        else:
            _DEFINE[_kind(field)](name, default, help_line, flag_values=values)
    return values


def _parsed(config_class, argv, program) -> flags.FlagValues:
    """The flags that arguments set; what is wrong with them as an InputError."""
    values = _define(config_class)
    try:
        rest = values([program, *argv])[1:]
    except UnicodeDecodeError as error:
        raise InputError("--flagfile names a file that is not text; name a file of --name=value lines.") from error
    except (flags.Error, ValueError) as error:  # --noresume=1 is a bare ValueError
        raise InputError(_sentence(error, config_class)) from error
    if rest:
        raise InputError(f"{rest[0]!r} is not a flag; write --name=value (--help lists the flags).")
    return values


def _value(field, values: flags.FlagValues):
    """What a flag was set to; a list for each time that a flag of several values was given becomes one tuple."""
    value = values[field.name].value
    return tuple(itertools.chain(*value)) if _kind(field) is tuple else value


def _joined(texts) -> str:
    """Several values as one: the inverse of absl's parser of lists."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()


def _sentence(error, config_class) -> str:
    """An error of absl in our words."""
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    if isinstance(error, flags.UnrecognizedFlagError):
        names = [*fields, "flagfile", "help", *(f"no{name}" for name, field in fields.items() if _kind(field) is bool)]
        near = difflib.get_close_matches(error.flagname, names, n=1)
        hint = f"did you mean --{near[0]} (--help lists the flags)?" if near else "--help lists the flags."
        return f"--{error.flagname} is not a flag; {hint}"
    text = " ".join(str(error).split())
    if isinstance(error, flags.CantOpenFlagFileError):
        reason = error.__context__  # the OSError
        return f"--flagfile={reason.filename} cannot be read ({reason.strerror}); name a file of --name=value lines."
    illegal = re.match(r"flag --(\w+)=(.*?): ", text)
    if illegal and illegal[1] in fields:
        name, value = illegal.groups()
        return f"--{name}={value} is not allowed; the value must be {_KIND_NAMES[_kind(fields[name])]}."
    return f"{text.rstrip('.')}; --help lists the flags."


def _heading(field) -> str:
    kind, default = _kind(field), field.default
    defaults = field.metadata["defaults"]
    if defaults:
        default = f"{defaults['images']}, recurrent {defaults['recurrent']}"
    if kind is bool:
        name, default = f"--[no]{field.name}", {True: "on", False: "off"}.get(default)
    else:
        shown = "STR,..." if kind is tuple else kind.__name__.upper()
        name = f"--{field.name}={'|'.join(map(str, field.metadata['choices'])) or shown}"
    return name if default in (None, ()) else f"{name}  (default {default})"


def _help_line(field) -> str:
    """Help and unit; NUL stands for the blanks inside the unit, which are not to be broken."""
    unit = field.metadata["unit"].replace(" ", "\0")
    return field.metadata["help"] + (f" [{unit}]" if unit else "")


def _call(main, config_class, program, description) -> int:
    try:
        config = parse(config_class, sys.argv[1:], program=program, description=description)
    except HelpRequested as text:
        print(text)
        return 0
    return main(config) or 0


def _how_to_go_on(config_class) -> str:
    can_resume = any(field.name == "resume" for field in dataclasses.fields(config_class))
    return "go on with --resume" if can_resume else "run the command again"


def _verdict(error, *, go_on):
    """Exit status and sentence of what ended a command; a bug has no sentence of its own but a traceback."""
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, RunError):
        return getattr(error, "exit_status", 1), str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, f"Interrupted; {go_on} to finish."
    if _disk_is_full(error):
        return 1, f"The disk is full; free some space, then {go_on}."
    if isinstance(error, PermissionError) and error.filename is not None:
        return (
            2,
            f"{error.filename} may not be read or written ({error.strerror}); change its permissions or name another.",
        )
    traceback.print_exception(error)
    return 1, "This is a bug in sdarts_tf; please report it with the lines above."


def _disk_is_full(error) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # TensorFlow's error, known by its name because TensorFlow may not have been imported.
    return type(error).__name__ == "ResourceExhaustedError" and "no space left" in str(error).lower()


def _settle_output():
    """Writes what standard output still holds; where that fails, keeps the interpreter from complaining at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        with contextlib.suppress(OSError):  # an output without a descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


class _Descriptor(io.TextIOBase):
    """Text straight to a file descriptor."""

    def __init__(self, number):
        self.number = number

    def writable(self):
        return True

    def isatty(self):
        return os.isatty(self.number)

    def write(self, text):
        os.write(self.number, text.encode("utf-8", "backslashreplace"))
        return len(text)


@contextlib.contextmanager
def native_output_held():
    """Holds back what native code writes to file descriptor 2; shows it only if the block fails.

    What Python code writes to `sys.stderr` reaches the user as ever.
    """
    try:
        kept = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    # Logging handlers made inside the block keep this stream for good, so it outlives the block.
    stream = _Descriptor(kept)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with contextlib.redirect_stderr(stream) if _writes_to_2(sys.stderr) else contextlib.nullcontext():
                yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            stream.number = 2
            os.close(kept)


def _writes_to_2(stream) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError):  # none at all, or one without a descriptor, as in a notebook
        return False
