"""Runs methods x spaces x data sets x seeds: python -m sdarts_tf.sweep --file=examples/sweep_digits.json."""

import dataclasses
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import SweepConfig
from sdarts_tf.errors import RunError
from sdarts_tf.studies import devices, jobs, matrix, study_directory, tables
from sdarts_tf.training.interruption import Interrupted
from sdarts_tf.training.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """What a sweep has run.

    Args:
        run_dir: its folder.
        table: methods side by side, the heading first, as `studies.matrix.paper_table`.
    """

    run_dir: pathlib.Path
    table: tables.Table


def sweep(config: SweepConfig, run_all=jobs.run_all) -> SweepResult:
    """Makes the runs of a sweep side by side, or goes on with them.

    Writes `table.md`, `table.csv`, `table.tex` and, with all figures of every run, `runs.csv`.

    Args:
        config: the settings.
        run_all: runs chains of jobs, as `jobs.run_all`.

    Raises:
        InputError: the file, a setting or the folder cannot be used, or no run has the figure of the table.
        RunError: runs failed, of which the others are in the tables; or the sweep was interrupted.

    Example:
        print(sweep(SweepConfig(file="examples/sweep_digits.json", jobs=2)).table)
    """
    config, swept = study_directory.prepare(config, "sweep", matrix.read, matrix.fixed)
    folder, failures = pathlib.Path(config.run_dir), []
    chains = [chain for chain in swept.jobs(folder) if not all(job.is_finished() for job in chain)]
    environments = devices.environments(config.jobs, at_most=max(1, len(chains)))
    try:
        failures = run_all(chains, environments, lambda line: print(line, file=sys.stderr, flush=True))
    except Interrupted as error:
        sentence = f"Stopped, the running jobs are saved; go on with --resume --run_dir={folder}"
        raise Interrupted(sentence, error.exit_status - 128) from error
    finally:
        ended = matrix.outcomes(swept, folder)
        table = _write(swept, folder, ended)
    if failures:
        raise RunError(f"{len(failures)} of the runs failed, first: {failures[0]}")
    matrix.require_figure(swept, ended)
    return SweepResult(folder, table)


def _write(swept, folder, ended):
    """Tables of the runs that have ended; of none nothing."""
    if not ended:
        return []
    directory, table = RunDirectory(folder), matrix.paper_table(swept, ended)
    directory.write("runs.csv", tables.comma_separated(matrix.runs_table(ended)))
    caption = matrix.caption(swept)
    directory.write("table.md", f"{caption[0].upper()}{caption[1:]}.\n\n{tables.markdown(table)}")
    directory.write("table.csv", tables.comma_separated(table))
    directory.write("table.tex", f"% {caption}\n{tables.latex(table)}")
    return table


def main(config: SweepConfig) -> None:
    """Sweeps and prints the table."""
    result = sweep(config)
    print((result.run_dir / "table.md").read_text(encoding="utf-8"))
    print(f"Tables: {result.run_dir / 'table.md'}, .csv and .tex; of every run {result.run_dir / 'runs.csv'}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, SweepConfig, description=__doc__))
