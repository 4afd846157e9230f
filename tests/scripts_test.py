"""The benchmark scripts, as a user runs them."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"
TINY = "--space=s2 --channels=2 --cells=3 --batch_size=2 --image_size=8"
# Steps of known length: a program that takes as long as it is told.
SLEEPER = """
import sys, time
sys.path.insert(0, {scripts!r})
from benchmark_turns import take_turns
take_turns(lambda number: time.sleep({seconds}), 1.5)
"""


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, timeout=300)


def lines(finished):
    assert finished.returncode == 0, finished.stderr[-2000:]
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.fixture
def sleeper(tmp_path):
    """Function of a name and seconds -> an argument for `benchmark_turns.py`."""

    def make(name, seconds):
        path = tmp_path / f"{name}.py"
        path.write_text(SLEEPER.format(scripts=str(SCRIPTS), seconds=seconds))
        return f"{name}={shlex.join([sys.executable, str(path)])}"

    return make


def test_a_step_and_its_parts_are_timed():
    (figures,) = lines(run(SCRIPTS / "benchmark_step.py", *TINY.split(), "--runs=1", "--parts"))
    assert figures["space"] == "s2" and figures["cells"] == 3
    timed = {"median_seconds", "evaluation_forward", "alpha_gradient", "attack_gradient", "weight_gradient"}
    assert all(0 < figures[name] < figures["seconds_to_first_step"] for name in timed)
    assert figures["graph_nodes"] > 1000 and figures["edges_at_once"] == 2


def test_turns_compare_with_the_first_program(sleeper):
    slow, fast = lines(run(SCRIPTS / "benchmark_turns.py", "--turns=3", sleeper("slow", 0.4), sleeper("fast", 0.1)))
    assert (slow["name"], slow["times_as_fast"]) == ("slow", 1)
    assert 0.4 <= slow["min_seconds"] <= slow["median_seconds"]
    assert fast["times_as_fast"] > 1 and fast["median_seconds"] < slow["median_seconds"]
    assert fast["median_cpu_seconds"] < 0.1 <= fast["min_seconds"]
    assert fast["seconds_to_first_step"] == 1.5 and fast["turns"] == 3 and fast["peak_mb"] > 1


def test_steps_take_turns(sleeper):
    ours = shlex.join([sys.executable, str(SCRIPTS / "benchmark_step.py"), *TINY.split(), "--in_turns"])
    _, ours = lines(run(SCRIPTS / "benchmark_turns.py", "--turns=2", sleeper("other", 0.0), f"ours={ours}"))
    assert ours["space"] == "s2" and ours["turns"] == 2
    assert 0 < ours["min_seconds"] <= ours["median_seconds"] < ours["seconds_to_first_step"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("silent=true", "silent said '' instead of a line of JSON with seconds_to_first_step"),
        ("talker=echo hello", "talker said 'hello\\n' instead"),
        ("number=echo 5", "number said '5\\n' instead"),
        ("other=echo '{}'", "benchmark_step.py needs --in_turns"),
        ("""brief=echo '{"seconds_to_first_step": 1}'""", "brief said '' instead of a line of JSON with seconds"),
        ("open=echo 'x", "open cannot be started: No closing quotation"),
        ("nobody=no/such/program", "nobody cannot be started"),
        ("nameless", "'nameless' is no program; write NAME=COMMAND"),
    ],
)
def test_a_program_that_takes_no_turns_is_named(program, message):
    finished = run(SCRIPTS / "benchmark_turns.py", program)
    assert finished.returncode and message in finished.stderr and "Traceback" not in finished.stderr


def test_what_is_no_checkout_of_the_official_code_is_said(tmp_path):
    (tmp_path / "torch.py").write_text("class Tensor: pass\nclass nn:\n    class Module: pass\n")
    finished = run(SCRIPTS / "official_step.py", tmp_path)
    assert f"{tmp_path} is not a checkout of the official code" in finished.stderr
    assert "Traceback" not in finished.stderr
