"""Writes a report on one or more runs: `python -m sdarts_tf.report --run_dir=runs/a --run_dir=runs/b`."""

import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import ReportConfig
from sdarts_tf.errors import InputError
from sdarts_tf.reporting import run
from sdarts_tf.training.run_directory import RunDirectory


def report(config: ReportConfig) -> pathlib.Path:
    """Writes an HTML page that shows runs, finished or not, and says what is missing and what would make it.

    Returns:
        The page's path.

    Raises:
        InputError: a folder holds no run, one of its files is damaged, or the page cannot be written.

    Example:
        path = report(ReportConfig(run_dir=("runs/darts-s3-cifar10-2", "runs/adv-s3-cifar10-2")))
    """
    if not config.run_dir:
        raise InputError("--run_dir is needed: name the folder of a run, or several with commas between them.")
    runs = run.read(config.run_dir)
    from sdarts_tf.reporting import page  # imports matplotlib

    path = pathlib.Path(config.out or pathlib.Path(config.run_dir[0]) / "report.html")
    html = page.render(runs)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        RunDirectory(path.parent).write(path.name, html.encode("utf-8"))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"--out={path} cannot be written ({error.strerror}); name a file in a folder.") from error
    return path


def main(config: ReportConfig) -> None:
    """Writes the report and says where it lies."""
    print(f"Report: {report(config)}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, ReportConfig, description=__doc__))
