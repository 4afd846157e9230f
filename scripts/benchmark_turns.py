"""Times the steps of several programs in turns: what disturbs the machine disturbs all of them alike.

Each program is given as NAME=COMMAND. It is ready when it prints a JSON line, takes a step for each line that it reads,
prints another, and a last one at the end of its input: `benchmark_step.py --in_turns`, of this or another checkout that
knows the flag, and `official_step.py`. All of them are started before the first turn and stay in memory. One JSON line
for each: median and minimum seconds of a step, median seconds of all cores together, how many times as fast as the
first program it is (median over the turns), its settings, seconds to the first step, and peak memory in MB.

    python scripts/benchmark_turns.py --turns=7 \
        "official=torch/bin/python scripts/official_step.py SmoothDARTS --space=s5 --method=adv" \
        "adv=python scripts/benchmark_step.py --space=s5 --method=adv --in_turns" \
        "before=env -C ../before PYTHONPATH=. python scripts/benchmark_step.py --space=s5 --method=adv --in_turns"
"""

import argparse
import contextlib
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time


def take_turns(step, seconds_to_first_step: float, **settings) -> None:
    """The program's part: calls `step(number)` for each line of standard input, from 1 on, and prints what it took."""
    print(json.dumps({**settings, "seconds_to_first_step": round(seconds_to_first_step, 2)}), flush=True)
    for number, _ in enumerate(sys.stdin, start=1):
        began, worked = time.perf_counter(), time.process_time()
        step(number)
        figures = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
        print(json.dumps(figures), flush=True)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


class TurnError(Exception):
    """A program takes no turns."""


class Program:
    """A program that takes turns; starting it waits until it is ready.

    Raises:
        TurnError: it cannot be started, has ended, or takes no turns.
    """

    def __init__(self, name, command):
        self.name, self.turns, self._process = name, [], None
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
        try:
            self._process = subprocess.Popen(shlex.split(command), **options)
        except (OSError, ValueError) as error:  # no such program; a quotation that does not end
            raise TurnError(f"{name} cannot be started: {error}.") from error
        self.first = self._read("seconds_to_first_step")

    def _read(self, awaited):
        """The figures of the next line, which hold the awaited one."""
        line = self._process.stdout.readline()
        try:
            figures = json.loads(line)
        except json.JSONDecodeError:
            figures = None
        if not isinstance(figures, dict) or awaited not in figures:
            self._process.kill()
            raise TurnError(
                f"{self.name} said {line[:200]!r} instead of a line of JSON with {awaited}; a benchmark_step.py needs "
                "--in_turns, or run its command alone to see why."
            )
        return figures

    def take_turn(self):
        """One step."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, as the missing answer says
            print(file=self._process.stdin, flush=True)
        self.turns.append(self._read("seconds"))

    def end(self):
        """Ends the program; returns its peak memory."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._read("peak_mb")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._process.kill()
        self._process.wait()

    def seconds(self, kind="seconds"):
        """Seconds of each turn."""
        return [turn[kind] for turn in self.turns]


def compare(programs, turns):
    """Lets the programs take turns, each round begun by another; yields their figures."""
    for turn in range(turns):
        first = turn % len(programs)
        for program in programs[first:] + programs[:first]:
            program.take_turn()
    measure = programs[0].seconds()
    for program in programs:
        seconds = program.seconds()
        yield {
            "name": program.name,
            "turns": turns,
            "median_seconds": round(statistics.median(seconds), 4),
            "min_seconds": round(min(seconds), 4),
            "median_cpu_seconds": round(statistics.median(program.seconds("cpu_seconds")), 4),
            "times_as_fast": round(statistics.median(a / b for a, b in zip(measure, seconds, strict=True)), 3),
            **program.first,
            **program.end(),
        }


def main():
    """Reads the command line and prints a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--turns", type=int, default=7, help="steps of each program; at least 5 for a figure to quote")
    arguments = parser.parse_args()
    if arguments.turns < 1:
        parser.error(f"--turns={arguments.turns} takes no step; give 1 or more")
    named = [program.partition("=") for program in arguments.programs]
    for name, _, command in named:
        if not name or not command.strip():
            parser.error(f"{name!r} is no program; write NAME=COMMAND")
    with contextlib.ExitStack() as started:
        try:
            programs = [started.enter_context(Program(name, command)) for name, _, command in named]
            for figures in compare(programs, arguments.turns):
                print(json.dumps(figures), flush=True)
        except TurnError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
