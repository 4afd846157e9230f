import dataclasses
import errno
import os
import pathlib
import re
import subprocess
import sys

import pytest
from absl import flags

from sdarts_tf import command_line
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training.interruption import Interrupted

ROOT = pathlib.Path(__file__).parent.parent
FIELDS = dataclasses.fields(SearchConfig)
# A value for every field that differs from its default.
OTHER = {field.name: field.default + 1 for field in FIELDS if type(field.default) in (int, float)}
OTHER |= {"method": "adv", "space": "s1", "dataset": "digits", "data_dir": "a b", "run_dir": "x=#y", "resume": True}
OTHER |= {"momentum": 0.5, "train_share": 0.25, "projection": "exact", "attack_statistics": "training"}
OTHER |= {"max_examples": 10, "crop_padding": 0, "flip": False, "jit_compile": True}


def parse(*arguments):
    return command_line.parse(SearchConfig, arguments)


def refusal(*arguments):
    """The message of the InputError: one line, one sentence."""
    with pytest.raises(InputError) as error:
        parse(*arguments)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and not re.search(r"\. [A-Z]", message)
    return message


def flag(name, value):
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_has_a_flag_and_help(field):
    value = OTHER[field.name]
    assert value != field.default
    assert parse(flag(field.name, value)) == SearchConfig(**{field.name: value})
    lines = command_line.usage(SearchConfig, "").splitlines()
    default = "" if field.default is None else f"={field.default}"
    name = f"--[no]{field.name}" if isinstance(value, bool) else f"--{field.name}{default}"
    at = lines.index(f"  {name}")
    help_lines = [line.strip() for line in lines[at + 1 : at + 4]]
    assert " ".join(help_lines).startswith(field.metadata["help"])
    if field.metadata["unit"]:
        assert f"[{field.metadata['unit']}]" in " ".join(help_lines)


def test_no_flags_are_the_defaults():
    assert parse() == SearchConfig()


def test_all_flags_at_once_and_the_flag_file_of_them():
    assert OTHER.keys() == {field.name for field in FIELDS}
    assert parse(*(flag(*item) for item in OTHER.items())) == SearchConfig(**OTHER)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [(["--flip"], True), (["--noflip"], False), (["--flip=false"], False), (["--flip=1"], True), ([], None)],
)
def test_booleans_and_none(arguments, value):
    assert parse(*arguments).flip is value


def test_parsing_leaves_no_trace_in_the_global_flags():
    before = set(flags.FLAGS)
    parse("--epochs=3")
    assert set(flags.FLAGS) == before
    assert parse().epochs == 50


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--epohcs=3", "Unknown command line flag 'epohcs'. Did you mean: epochs?"),
        ("--bogus=3", "Unknown command line flag 'bogus'"),
        ("--epochs=x", "flag --epochs=x: invalid literal for int()"),
        ("--epochs=1.5", "flag --epochs=1.5: invalid literal for int()"),
        ("--epochs", "Missing value for flag --epochs"),
        ("--flip=maybe", "Non-boolean argument to boolean flag"),
        ("--noresume=true", "--noresume=true does not take an argument"),
        ("--epsilon=-1", "--epsilon=-1.0 is out of range; give a number that is at least 0.0."),
        ("--epsilon=nan", "--epsilon=nan is out of range"),
        ("--projection=none", "--projection=none is not known; choose from renormalize, exact."),
        ("search", "'search' is not a flag; flags begin with --, for example --method=rs (--help lists them)."),
    ],
)
def test_wrong_arguments(argument, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        parse(argument)
    assert "\n" not in str(error.value)


def test_a_positional_argument_is_refused_wherever_it_stands():
    assert refusal("--epochs=3", "x", "--cells=4").startswith("'x' is not a flag")
    assert refusal("--", "--epochs=3").startswith("'--epochs=3' is not a flag")


# Flag files.


def test_the_later_flag_wins_across_nested_flag_files(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("# a comment\n--epochs=2\n--cells=5\n--noflip\n\n")
    outer.write_text(f"--epochs=1\n--channels=3\n--flagfile={inner}\n--cells=6\n")
    assert parse(f"--flagfile={outer}") == SearchConfig(epochs=2, channels=3, cells=6, flip=False)
    assert parse("--epochs=9", f"--flagfile={outer}").epochs == 2
    assert parse(f"--flagfile={outer}", "--epochs=9").epochs == 9


@pytest.mark.parametrize("kind", ["missing", "folder", "nested"])
def test_a_flag_file_that_cannot_be_read(tmp_path, kind):
    path = tmp_path / "a.flags"
    if kind == "folder":
        path.mkdir()
    outer = tmp_path / "outer.flags"
    outer.write_text(f"--flagfile={path}\n")
    message = refusal(f"--flagfile={outer if kind == 'nested' else path}")
    reason = "Is a directory" if kind == "folder" else "No such file or directory"
    assert message.startswith("Unable to open flagfile") and str(path) in message and reason in message


def test_a_binary_flag_file(tmp_path):
    (tmp_path / "a.flags").write_bytes(b"\xff\xfe--epochs=3")
    assert "can't decode byte 0xff" in refusal(f"--flagfile={tmp_path / 'a.flags'}")


def test_an_unknown_flag_in_a_flag_file(tmp_path):
    (tmp_path / "a.flags").write_text("--epochs=2\n--bogus=1\n")
    with pytest.raises(InputError, match="Unknown command line flag 'bogus'"):
        parse(f"--flagfile={tmp_path / 'a.flags'}")


@pytest.mark.parametrize("settings", [{}, OTHER, {"flip": True, "learning_rate": 1e-17, "data_dir": ""}])
def test_a_written_flag_file_reads_back(tmp_path, settings):
    config = SearchConfig(**settings)
    (tmp_path / "run.flags").write_text(command_line.to_flagfile(config))
    assert parse(f"--flagfile={tmp_path / 'run.flags'}") == config


def test_a_written_flag_file_has_one_flag_a_line_and_leaves_none_out():
    lines = command_line.to_flagfile(SearchConfig(flip=False)).splitlines()
    set_fields = [field.name for field in FIELDS if field.default is not None or field.name == "flip"]
    assert [re.match(r"--(?:no(?=resume|flip|jit))?(\w+)", line)[1] for line in lines] == set_fields
    assert "--noflip" in lines and "--noresume" in lines and "--epochs=50" in lines


# Exit statuses.


def run(monkeypatch, main, *arguments):
    monkeypatch.setattr(sys, "argv", ["/somewhere/search.py", *arguments])
    return command_line.run(main, SearchConfig, description="Searches.")


def raising(error):
    def main(config):
        raise error

    return main


def test_run_passes_the_configuration_and_returns_zero(monkeypatch):
    seen = []
    assert run(monkeypatch, seen.append, "--epochs=3") == 0
    assert seen == [SearchConfig(epochs=3)]
    assert run(monkeypatch, lambda config: 7) == 7


@pytest.mark.parametrize("argument", ["--help", "-h", "--helpfull"])
def test_help_prints_the_usage(monkeypatch, capsys, argument):
    assert run(monkeypatch, raising(AssertionError), "--epochs=3", argument) == 0
    out, err = capsys.readouterr()
    assert out == command_line.usage(SearchConfig, "Searches.") + "\n" and err == ""
    assert out.startswith("Searches.\n\nFlags:\n  --method=rs\n") and max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("Bad input."), 2, "Bad input."),
        (InputError("Bad\ninput."), 2, "Bad input."),
        (RunError("Diverged."), 1, "Diverged."),
        (Interrupted("Stopped.", 2), 130, "Stopped."),
        (Interrupted("Stopped.", 15), 143, "Stopped."),
        (OSError(errno.ENOSPC, "full"), 1, "The disk is full; free some space, then go on with --resume."),
        (KeyboardInterrupt(), 130, "Interrupted; nothing was saved since the last checkpoint."),
    ],
)
def test_what_the_user_can_mend_is_one_line(monkeypatch, capsys, error, status, message):
    assert run(monkeypatch, raising(error)) == status
    assert capsys.readouterr() == ("", f"sdarts_tf.search: {message}\n")


def test_a_wrong_flag_is_one_line_and_main_is_not_called(monkeypatch, capsys):
    assert run(monkeypatch, raising(AssertionError), "--epochs=0") == 2
    assert (
        capsys.readouterr().err == "sdarts_tf.search: --epochs=0 is out of range; give a number that is at least 1.\n"
    )


def test_another_os_error_is_a_bug_with_a_traceback(monkeypatch, capsys):
    assert run(monkeypatch, raising(PermissionError(errno.EACCES, "denied"))) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):") and err.endswith("PermissionError: [Errno 13] denied\n")


def test_a_bug_ends_a_process_with_its_traceback_and_status_1():
    code = (
        "import sys; from sdarts_tf import command_line; from sdarts_tf.config import SearchConfig\n"
        "sys.exit(command_line.run(lambda config: 1 / 0, SearchConfig, description=''))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


WRONG = {
    "--method=rs+adv": "--method=rs+adv sets the perturbation twice; keep one of rs, adv.",
    "--method=bogus": "--method=bogus has the unknown ingredient 'bogus'; join any of darts, rs, ",
    "--space=bogus": "--space=bogus is unknown; choose from ",
    "--dataset=bogus": "--dataset=bogus is unknown; choose from digits, cifar10, cifar100, svhn.",
    "--epsilon=-1": "--epsilon=-1.0 is out of range; give a number that is at least 0.0.",
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_name_is_told_at_once(tmp_path, argument):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sdarts_tf.search", argument]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"sdarts_tf.search: {WRONG[argument]}") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


SPY = """
import runpy, sys
try:
    runpy.run_module("sdarts_tf.search", run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(end.code, sorted({"tensorflow", "keras", "scipy"} & set(sys.modules)))
"""


@pytest.mark.parametrize("argument", [*WRONG, "--help"])
def test_a_wrong_name_and_help_import_no_tensorflow(argument):
    done = subprocess.run([sys.executable, "-c", SPY, argument], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == ("0 []" if argument == "--help" else "2 []")
