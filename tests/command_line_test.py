"""Flags, flag files, exit statuses, and what reaches the user's terminal."""

import dataclasses
import errno
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import textwrap
import typing

import pytest

from sdarts_tf import command_line
from sdarts_tf.config import SearchConfig, setting, validate
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training.interruption import Interrupted

ROOT = pathlib.Path(__file__).parents[1]
FIELDS = dataclasses.fields(SearchConfig)


@dataclasses.dataclass(frozen=True)
class Config:
    """One setting of every kind."""

    name: str = setting("s5", "what to call it")
    size: int = setting(3, "how large", unit="images", minimum=1)
    rate: float = setting(0.5, "how fast", unit="0 to 1", minimum=0.0, maximum=1.0)
    loud: bool = setting(False, "whether to say more")
    still: bool = setting(True, "whether to keep still")
    color: str = setting("red", "which color", choices=("red", "blue"))
    folder: str | None = setting(None, "where")
    limit: int | None = setting(None, "how many at most", minimum=2)
    share: float | None = setting(None, "how much")
    mirror: bool | None = setting(None, "whether to mirror")
    parts: tuple[str, ...] = setting((), "which parts")

    def __post_init__(self):
        validate(self)


def parse(*argv):
    return command_line.parse(Config, argv)


def run(monkeypatch, main, *argv, config_class=Config):
    monkeypatch.setattr(sys, "argv", ["/some/where/sdarts_tf/search.py", *argv])
    return command_line.run(main, config_class, description="Does it.")


def failing(error):
    def main(config):
        raise error

    return main


def python(code, *, stdout=subprocess.PIPE, **environment):
    """Runs a program in a process of its own."""
    ours = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    variables = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=variables | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


def search(*argv, folder=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "sdarts_tf.search", *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# Values.


def test_without_flags_the_defaults_hold():
    assert parse() == Config()


@pytest.mark.parametrize(
    "argv, expected",
    [
        (["--size=7"], {"size": 7}),
        (["--size", "7"], {"size": 7}),
        (["-size=7"], {"size": 7}),
        (["--rate=1e-3"], {"rate": 0.001}),
        (["--rate=1"], {"rate": 1.0}),
        (["--loud"], {"loud": True}),
        (["--noloud"], {"loud": False}),
        (["--nostill"], {"still": False}),
        (["--still=false"], {"still": False}),
        (["--loud", "--noloud"], {"loud": False}),
        (["--noloud", "--loud=true"], {"loud": True}),
        (["--mirror"], {"mirror": True}),
        (["--nomirror"], {"mirror": False}),
        (["--folder=a b=c#d"], {"folder": "a b=c#d"}),
        (["--folder="], {"folder": ""}),
        (["--limit=2"], {"limit": 2}),
        (["--share=0.25"], {"share": 0.25}),
        (["--size=7", "--size=8"], {"size": 8}),
        (["--parts=a"], {"parts": ("a",)}),
        (["--parts=a, b c"], {"parts": ("a", "b c")}),
        (["--parts=a,b", "--parts", "c"], {"parts": ("a", "b", "c")}),
        (["--parts="], {"parts": ()}),
        (['--parts="a,b",c'], {"parts": ("a,b", "c")}),
    ],
    ids=" ".join,
)
def test_flags_set_their_fields(argv, expected):
    config = parse(*argv)
    assert config == Config(**expected)
    assert [type(getattr(config, name)) for name in expected] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["--siez=3"], "--siez is not a flag; did you mean --size (--help lists the flags)?"),
        (["--nolout"], "--nolout is not a flag; did you mean --noloud (--help lists the flags)?"),
        (["--flagfiles=x"], "--flagfiles is not a flag; did you mean --flagfile (--help lists the flags)?"),
        (["--qqqqqq"], "--qqqqqq is not a flag; --help lists the flags."),
        (["--nosize"], "--nosize is not a flag; did you mean --size (--help lists the flags)?"),
        (["--size=many"], "--size=many is not allowed; the value must be a whole number."),
        (["--size=1.5"], "--size=1.5 is not allowed; the value must be a whole number."),
        (["--size="], "--size= is not allowed; the value must be a whole number."),
        (["--rate=fast"], "--rate=fast is not allowed; the value must be a number."),
        (["--loud=maybe"], "--loud=maybe is not allowed; the value must be true or false."),
        (["--noloud=true"], "--noloud=true does not take an argument; --help lists the flags."),
        (["--size"], "Missing value for flag --size; --help lists the flags."),
        (["--size=0"], "--size=0 is out of range; give a number that is at least 1."),
        (["--rate=nan"], "--rate=nan is out of range; give a number that is between 0.0 and 1.0."),
        (["--color=green"], "--color=green is not known; choose from red, blue."),
        (["size=3"], "'size=3' is not a flag; write --name=value (--help lists the flags)."),
        (["--loud", "true"], "'true' is not a flag; write --name=value (--help lists the flags)."),
        (["--", "--size=3"], "'--size=3' is not a flag; write --name=value (--help lists the flags)."),
        (["--flagfile"], "--flagfile with no argument; --help lists the flags."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_one_sentence(argv, sentence):
    with pytest.raises(InputError) as caught:
        parse(*argv)
    assert str(caught.value) == sentence
    assert not re.search(r"[.?] [A-Z]", sentence)


def test_a_positional_argument_is_refused_wherever_it_stands():
    with pytest.raises(InputError, match=r"^'x' is not a flag"):
        parse("--size=3", "x", "--rate=0.1")


def test_parsing_touches_no_global_flags():
    from absl import flags

    before = set(flags.FLAGS)
    parse("--size=3")
    assert set(flags.FLAGS) == before


def another(field):
    """An allowed value of a setting that differs from its default."""
    default, limits = field.default, field.metadata
    if limits["choices"]:
        return next(choice for choice in limits["choices"] if choice != default)
    kinds = (field.type, *typing.get_args(field.type))
    if bool in kinds:
        return not default
    if int in kinds or float in kinds:
        above = (limits["minimum"] or 0 if default is None else default) + 1
        if limits["maximum"] is None or above <= limits["maximum"]:
            return above
        return (limits["minimum"] + limits["maximum"]) / 3
    return "a b=#c"


OTHER = {field.name: another(field) for field in FIELDS}


@pytest.mark.parametrize("name", [field.name for field in FIELDS])
def test_every_setting_of_a_search_has_a_flag(name):
    changed = SearchConfig(**{name: OTHER[name]})
    assert changed != SearchConfig()
    argument = (
        f"--{name}" if OTHER[name] is True else f"--no{name}" if OTHER[name] is False else f"--{name}={OTHER[name]}"
    )
    assert command_line.parse(SearchConfig, [argument]) == changed


# Flag files.


@pytest.fixture
def flagfile(tmp_path):
    """Writes a flag file and returns its `--flagfile=` argument."""

    def write(name, *lines):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return f"--flagfile={tmp_path / name}"

    return write


def test_a_flag_file_is_read_without_its_comments(flagfile):
    assert parse(flagfile("a", "# a comment", "", "--size=4", "--loud")) == Config(size=4, loud=True)


def test_the_last_value_wins_in_and_around_a_flag_file(flagfile):
    file = flagfile("a", "--size=4", "--size=5", "--rate=0.1")
    assert parse(file) == Config(size=5, rate=0.1)
    assert parse("--size=9", file) == Config(size=5, rate=0.1)
    assert parse(file, "--size=9") == Config(size=9, rate=0.1)


def test_flag_files_nest_where_they_stand(flagfile):
    inner = flagfile("inner", "--size=4", "--rate=0.1")
    assert parse(flagfile("outer", "--size=8", inner, "--rate=0.2")) == Config(size=4, rate=0.2)


def test_a_flag_file_after_a_value_of_its_own_is_read(flagfile):
    assert parse("--name", "s2", flagfile("a", "--size=4")) == Config(name="s2", size=4)


@pytest.mark.parametrize("nested", [False, True], ids=["named", "nested"])
def test_a_flag_file_that_is_missing_is_named(tmp_path, flagfile, nested):
    missing = f"--flagfile={tmp_path / 'missing'}"
    sentence = f"{missing} cannot be read (No such file or directory); name a file of --name=value lines."
    with pytest.raises(InputError) as caught:
        parse(flagfile("outer", missing) if nested else missing)
    assert str(caught.value) == sentence


def test_a_flag_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="--flagfile names a file that is not text;"):
        parse(f"--flagfile={tmp_path / 'binary'}")


def test_a_wrong_line_of_a_flag_file_is_named(flagfile):
    with pytest.raises(InputError, match="--siez is not a flag; did you mean --size"):
        parse(flagfile("a", "--siez=3"))


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(name="", size=10**12, rate=1e-17, loud=True, still=False, color="blue"),
        Config(folder="a b = --size=3 # ü", limit=2, share=0.1, mirror=False),
        Config(parts=("a", "b,c", 'd "e"')),
    ],
    ids=["defaults", "changed", "optional", "several"],
)
def test_a_saved_flag_file_gives_the_same_configuration(config, tmp_path):
    (tmp_path / "run.flags").write_text(command_line.to_flagfile(config), encoding="utf-8")
    assert parse(f"--flagfile={tmp_path / 'run.flags'}") == config


def test_a_saved_flag_file_holds_every_setting_but_none():
    assert command_line.to_flagfile(Config(limit=4)).splitlines() == [
        *("--name=s5", "--size=3", "--rate=0.5", "--noloud", "--still", "--color=red", "--limit=4"),
    ]


@pytest.mark.parametrize("text", ["two\nlines", "blank at its end ", "carriage\rreturn"])
def test_a_text_that_no_line_can_hold_is_refused(text):
    with pytest.raises(InputError, match=r"^--folder=.* cannot be saved; leave out "):
        command_line.to_flagfile(Config(folder=text))


@pytest.mark.parametrize("path", sorted((ROOT / "flags").glob("*.flags")), ids=lambda path: path.name)
def test_a_flag_file_of_the_package_says_what_it_is(path):
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_flag_file_of_the_first_run():
    config = command_line.parse(SearchConfig, [f"--flagfile={ROOT / 'flags' / 'digits_rs.flags'}"])
    assert (config.method, config.dataset) == ("rs", "digits")


def test_the_settings_of_a_search_survive_a_flag_file(tmp_path):
    config = SearchConfig(**OTHER | {"accumulate_steps": 1, "recompute": False})  # which go not with all others
    (tmp_path / "run.flags").write_text(command_line.to_flagfile(config), encoding="utf-8")
    assert command_line.parse(SearchConfig, [f"--flagfile={tmp_path / 'run.flags'}"]) == config


# Help.


@pytest.mark.parametrize("flag", ["-h", "--help", "--helpfull"])
def test_help_is_asked_for(flag):
    with pytest.raises(command_line.HelpRequested, match="--size=INT"):
        parse("--size=many", flag)


def test_help_shows_default_unit_and_choices():
    text = command_line.usage(Config, program="sdarts_tf.search", description="Does it.")
    assert text.startswith(
        "Does it.\n\nUsage: python -m sdarts_tf.search [--name=value ...]\n\n  --name=STR  (default s5)\n"
    )
    assert "\n  --size=INT  (default 3)\n      how large [images]\n" in text
    assert "\n  --[no]loud  (default off)\n      whether to say more\n" in text
    assert "\n  --[no]still  (default on)\n" in text
    assert "\n  --color=red|blue  (default red)\n      which color\n" in text
    assert "\n  --limit=INT\n      how many at most\n" in text
    assert "\n  --[no]mirror\n" in text
    assert "\n  --parts=STR,...\n      which parts\n" in text


def test_help_has_every_setting_of_a_search_within_the_width_of_a_page():
    text = command_line.usage(SearchConfig, program="sdarts_tf.search")
    words = " ".join(text.split())
    for field in dataclasses.fields(SearchConfig):
        assert f"--{field.name}" in text or f"--[no]{field.name}" in text
        assert field.metadata["help"] in words and f"[{field.metadata['unit']}]".replace("[]", "") in words
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("flag", ["-h", "--help", "--helpfull"])
def test_help_is_printed_and_the_command_not_run(monkeypatch, capsys, flag):
    assert run(monkeypatch, failing(AssertionError()), "--size=8", flag) == 0
    usage = command_line.usage(Config, program="sdarts_tf.search", description="Does it.")
    assert capsys.readouterr() == (usage + "\n", "")


# Exit statuses.


@pytest.mark.parametrize("returned, status", [(None, 0), (0, 0), (3, 3)])
def test_the_status_is_what_the_command_returns(monkeypatch, returned, status):
    assert run(monkeypatch, lambda config: returned) == status


def test_the_command_gets_its_configuration(monkeypatch):
    seen = []
    assert run(monkeypatch, seen.append, "--size=8", "--loud") == 0
    assert seen == [Config(size=8, loud=True)]


DISK_FULL = OSError(errno.ENOSPC, "No space left on device")
FAILURES = [
    (InputError("There is no such cell."), 2, "There is no such cell."),
    (InputError("Two\nlines."), 2, "Two lines."),
    (RunError("It came to nothing."), 1, "It came to nothing."),
    (Interrupted("Stopped.", signal.SIGINT), 130, "Stopped."),
    (Interrupted("Stopped.", signal.SIGTERM), 143, "Stopped."),
    (KeyboardInterrupt(), 130, "Interrupted; run the command again to finish."),
    (DISK_FULL, 1, "The disk is full; free some space, then run the command again."),
    (OSError(errno.EDQUOT, "Quota"), 1, "The disk is full; free some space, then run the command again."),
    (
        PermissionError(errno.EACCES, "Permission denied", "/data/x"),
        2,
        "/data/x may not be read or written (Permission denied); change its permissions or name another.",
    ),
]


@pytest.mark.parametrize("error, status, sentence", FAILURES, ids=lambda value: type(value).__name__)
def test_a_failure_is_one_sentence(monkeypatch, capsys, error, status, sentence):
    assert run(monkeypatch, failing(error)) == status
    assert capsys.readouterr() == ("", f"sdarts_tf.search: {sentence}\n")


@pytest.mark.parametrize("error", [DISK_FULL, KeyboardInterrupt()], ids=lambda value: type(value).__name__)
def test_a_command_that_can_resume_says_so(monkeypatch, capsys, error):
    run(monkeypatch, failing(error), config_class=SearchConfig)
    assert "go on with --resume" in capsys.readouterr().err


def test_a_full_disk_that_tensorflow_meets(monkeypatch, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")

    def main(config):
        import tensorflow as tf

        with tf.io.gfile.GFile("/dev/full", "w") as file:
            file.write("x" * 100_000)

    assert run(monkeypatch, main, config_class=SearchConfig) == 1
    expected = "sdarts_tf.search: The disk is full; free some space, then go on with --resume.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("error", [ValueError("no"), FileNotFoundError(errno.ENOENT, "No"), PermissionError("no")])
def test_a_bug_shows_its_traceback(monkeypatch, capsys, error):
    assert run(monkeypatch, failing(error)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith(type(error).__name__)
    assert lines[-1] == "sdarts_tf.search: This is a bug in sdarts_tf; please report it with the lines above."


COMMAND = """
    import sys
    from sdarts_tf import command_line
    from sdarts_tf.config import SearchConfig

    def main(config):
        print("x" * 100_000)

    sys.argv = ["search.py"]
    sys.exit(command_line.run(main, SearchConfig, description="Does it."))
"""


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    result = python(COMMAND, stdout=writing)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


def test_an_output_file_on_a_full_disk():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = python(COMMAND, stdout=full)
    expected = "sdarts_tf.search: The disk is full; free some space, then go on with --resume.\n"
    assert (result.returncode, result.stderr) == (1, expected)


# The search command, in a process of its own.


WRONG = {
    "--epoch=3": "--epoch is not a flag; did you mean --epochs (--help lists the flags)?",
    "--epochs=0": "--epochs=0 is out of range; give a number that is at least 1.",
    "--method=rs+adv": "--method=rs+adv sets the perturbation twice; keep one of rs, adv.",
    "--method=bogus": "--method=bogus has the unknown ingredient 'bogus'; join any of darts, rs, ",
    "--space=bogus": "--space=bogus is unknown; choose from ",
    "--dataset=bogus": "--dataset=bogus is unknown; choose from digits, cifar10, cifar100, svhn, imagenet, folder, "
    "npz:FILE, tfds:NAME[/CONFIG].",
    "--flagfile=bogus": "--flagfile=bogus cannot be read (No such file or directory); name a file of ",
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_flag_of_the_search_is_one_line_and_writes_nothing(tmp_path, argument):
    result = search(argument, folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"sdarts_tf.search: {WRONG[argument]}")
    assert list(tmp_path.iterdir()) == []


def test_help_of_the_search():
    result = search("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "--alpha_learning_rate=FLOAT  (default 0.0003, recurrent 0.003)" in result.stdout


@pytest.mark.parametrize("flag", ["--help", "--epoch=3", "--space=bogus"])
def test_help_and_a_wrong_flag_answer_without_tensorflow(flag):
    code = f"""
        import runpy, sys
        sys.argv = ["search.py", {flag!r}]
        try:
            runpy.run_module("sdarts_tf.search", run_name="__main__", alter_sys=False)
        except SystemExit:
            pass
        print(sorted({{"tensorflow", "keras", "scipy"}} & set(sys.modules)), file=sys.stderr)
    """
    assert python(code).stderr.splitlines()[-1] == "[]"


# TensorFlow's banners.

QUIET = """
    import logging, os, sys
    from sdarts_tf import command_line
    {before}
    command_line.import_tensorflow()
    import tensorflow as tf
    tf.constant(1.0) + 1
    {after}
"""


def quiet(before="", after="", **environment):
    return python(QUIET.format(before=before, after=after), **environment)


def test_the_banners_of_tensorflow_are_held_back():
    result = quiet()
    assert (result.returncode, result.stderr) == (0, "")


def test_the_banners_are_shown_to_whoever_asks_for_the_log():
    assert quiet(TF_CPP_MIN_LOG_LEVEL="0").stderr != ""


def test_what_is_written_after_the_import_arrives():
    """TensorFlow's logger keeps the stream that it found during the import."""
    result = quiet(after="tf.get_logger().error('logged'); os.write(2, b'native\\n'); print('said', file=sys.stderr)")
    assert [line.split()[-1] for line in result.stderr.splitlines()] == ["ERROR:tensorflow:logged", "native", "said"]


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="oneDNN's kernels are for x86")
@pytest.mark.parametrize(("environment", "fast"), [({}, True), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, False)])
def test_the_fast_kernels_are_used_on_every_processor_unless_they_are_switched_off(environment, fast):
    """Also if something else, as tensorflow-datasets, imports TensorFlow first."""
    shown = "from sdarts_tf.layers import convolutions; print(convolutions._has_grouped_gradients(tf.float32))"
    shown += "; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    result = quiet(before="import tensorflow", after=shown, CUDA_VISIBLE_DEVICES="-1", **environment)
    assert result.stdout.split() == [str(fast), str(int(fast))]


# Stands for TensorFlow: writes a banner as native code does, and a line as Python does.
NOISY = """
import os, sys
os.write(2, b"banner\\n")
print("python says", file=sys.stderr)
"""


def noisy(tmp_path, last_line):
    (tmp_path / "tensorflow.py").write_text(NOISY + last_line, encoding="utf-8")
    code = "from sdarts_tf import command_line; command_line.import_tensorflow()"
    return python(code, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")


def test_what_python_writes_during_the_import_is_not_lost(tmp_path):
    last = "class config:\n    list_physical_devices = staticmethod(lambda: [])\n"
    assert noisy(tmp_path, last).stderr == "python says\n"


def test_the_banners_are_shown_when_the_import_fails(tmp_path):
    lines = noisy(tmp_path, "raise ImportError('libcudnn is missing')\n").stderr.splitlines()
    assert lines[:2] == ["python says", "banner"]
    assert lines[-1] == "ImportError: libcudnn is missing"


@pytest.mark.parametrize("left_behind", [False, True], ids=["absent", "empty folder"])
def test_a_missing_tensorflow_names_the_extras(tmp_path, monkeypatch, left_behind):
    if left_behind:
        (tmp_path / "tensorflow").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(InputError, match=r"pip install 'sdarts_tf\[cpu\]', or 'sdarts_tf\[gpu\]'"):
        command_line.import_tensorflow()


def test_a_closed_standard_error_is_no_obstacle():
    code = """
        import os
        os.close(2)
        from sdarts_tf import command_line
        command_line.import_tensorflow()
        print("imported")
    """
    assert python(code).stdout == "imported\n"
