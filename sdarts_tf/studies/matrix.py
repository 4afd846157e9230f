"""What a sweep is to run, read from its file, and what came out of it."""

import collections
import dataclasses
import itertools
import json
import pathlib
import re
import statistics
from collections.abc import Mapping, Sequence

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.studies import checks, descriptions, figures, jobs
from sdarts_tf.studies.jobs import Job
from sdarts_tf.studies.tables import Table

_KEYS = ("sweep", "skip", "settings", "retrain", "figure")
_COLUMN, _REPEATED = "method", "seed"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Every value of some settings with every value of the others.

    Args:
        axes: setting -> its values, `method` and `seed` among them.
        skipped: setting -> values, for some settings, none of which are run together.
        settings: flags of every search.
        retrain: flags of the training of every search's cell; None if there is none.
        figure: what the table shows, a figure of `figures.of_run`.
    """

    axes: Mapping[str, tuple]
    skipped: tuple[Mapping[str, tuple], ...]
    settings: tuple[str, ...]
    retrain: tuple[str, ...] | None
    figure: str

    def cells(self) -> list[dict]:
        """The values of every run; seed by seed, so that what is early there has all methods."""
        order = sorted(self.axes, key=lambda name: name != _REPEATED)
        combined = [dict(zip(order, values, strict=True)) for values in itertools.product(*map(self.axes.get, order))]
        cells = [{name: cell[name] for name in self.axes} for cell in combined]
        return [cell for cell in cells if not any(_matches(cell, skip) for skip in self.skipped)]

    def config(self, cell: Mapping) -> SearchConfig:
        """The search of a run."""
        config = descriptions.config("search", self.settings, descriptions.flags("search", cell))
        return config if self.retrained else figures.measuring(config, self.accuracy)

    def retrain_config(self, cell: Mapping) -> RetrainConfig:
        """The training of the cell that a run finds, with the run's seed unless the file gives another."""
        config = descriptions.config("retrain", [f"--seed={cell[_REPEATED]}"], self.retrain)
        return figures.measuring(config, self.accuracy.removeprefix(figures.RETRAINED)) if self.retrained else config

    @property
    def accuracy(self) -> str:
        """The figure, or the accuracy of which it is the error."""
        return self.figure.replace("_error", "_accuracy")

    @property
    def retrained(self) -> bool:
        """Whether the figure is that of a trained network."""
        return self.figure.startswith(figures.RETRAINED)

    def folder(self, run_dir: pathlib.Path, cell: Mapping) -> pathlib.Path:
        """Where a run lies in the folder of the sweep."""
        return run_dir / "-".join(re.sub(r"[^\w.+-]", "_", str(value)) for value in cell.values())

    def jobs(self, run_dir: pathlib.Path) -> list[list[Job]]:
        """The search and, if wanted, the training of every run."""
        chains = []
        for cell in self.cells():
            folder = self.folder(run_dir, cell)
            config = self.config(cell)
            chain = [jobs.job(config, folder)]
            if self.retrain is not None:
                chain.append(jobs.training(self.retrain_config(cell), config, folder))
            chains.append(chain)
        return chains


def read(text: str, overrides: Mapping[str, str]) -> Sweep:
    """The sweep in the text of a file.

    Args:
        text: a JSON object; docs/tuning.md describes its keys.
        overrides: settings that count instead of those in the file.

    Raises:
        InputError: a key, a name or a value is not allowed.

    Example:
        >>> sweep = read('{"sweep": {"method": ["darts", "rs"], "space": ["s2"], "seed": [0, 1]}}', {})
        >>> sweep.cells()[1], sweep.figure
        ({'method': 'rs', 'space': 's2', 'seed': 0}, 'valid_error')
    """
    found = descriptions.parse(text, _KEYS)
    axes = found.get("sweep")
    if not isinstance(axes, dict) or not all(isinstance(values, list) and values for values in axes.values()):
        raise InputError(
            'The file names no runs; add "sweep": {"method": ["darts", "rs"], "seed": [0, 1]} or the like.'
        )
    for name in descriptions.SHARED:
        if name in axes:
            raise InputError(f"{name} cannot be swept; put it among the settings.")
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = descriptions.flags("search", found.get("settings", {})) + descriptions.flags("search", given)
    retrain = found.get("retrain")
    if retrain is not None:
        retrain = descriptions.flags("retrain", retrain)
    base = descriptions.config("search", settings)
    axes = axes | {name: [getattr(base, name)] for name in (_COLUMN, _REPEATED) if name not in axes}
    sweep = Sweep(
        {name: tuple(values) for name, values in axes.items()},
        _skipped(found.get("skip", []), axes),
        settings,
        retrain,
        found.get("figure", ""),
    )
    if "figure" not in found:
        sweep = dataclasses.replace(sweep, figure=_usual_figure(sweep))
    _check(sweep)
    return sweep


def _known_figures():
    names = figures.known("search")
    return [*names, *(name.replace("_accuracy", "_error") for name in names if name.endswith("_accuracy"))]


def _usual_figure(sweep):
    configs = [descriptions.config("search", sweep.settings, descriptions.flags("search", c)) for c in sweep.cells()]
    measure = "perplexity" if {config.family for config in configs} == {"recurrent"} else "error"
    if sweep.retrain is not None:
        return f"{figures.RETRAINED}test_{measure}"
    return "true_test_error" if any(config.benchmark for config in configs) else f"valid_{measure}"


def fixed(found: Mapping) -> Mapping:
    """What of the object in a file must stay when a sweep goes on; a run's folder is named after the swept values.

    Example:
        >>> fixed({"sweep": {"seed": [0, 1]}, "settings": {"epochs": 3}, "figure": "valid_loss"})
        {'settings': {'epochs': 3}, 'retrain': None, 'names and order of the swept settings': ['seed']}
    """
    kept = {"settings": found.get("settings", {}), "retrain": found.get("retrain")}
    return kept | {"names and order of the swept settings": list(found["sweep"])}


def _skipped(given, axes) -> tuple[dict[str, tuple], ...]:
    """What the file leaves out; a single value may stand for a list of one."""
    if not isinstance(given, list) or not all(isinstance(each, dict) and set(each) <= set(axes) for each in given):
        raise InputError(f"skip is {json.dumps(given)}; give a list of objects with values of {', '.join(axes)}.")
    skipped = [
        {name: tuple(value) if isinstance(value, list) else (value,) for name, value in each.items()} for each in given
    ]
    for name, values in ((name, values) for each in skipped for name, values in each.items()):
        if not values or not all(value in axes[name] for value in values):
            raise InputError(
                f"skip has {name} {json.dumps(values)}; choose from the swept ones, {json.dumps(axes[name])[1:-1]}."
            )
    return tuple(skipped)


def _matches(cell, skip):
    return all(cell[name] in values for name, values in skip.items())


def _check(sweep: Sweep) -> None:
    cells = sweep.cells()
    if not cells:
        raise InputError("The file skips all of its runs; leave some.")
    descriptions.require_known(sweep.figure, _known_figures(), "The figure")
    if sweep.retrained and sweep.retrain is None:
        raise InputError(f'{sweep.figure} needs trainings; add "retrain": {{...}} with their settings.')
    sweep.jobs(pathlib.Path())  # raises InputError for settings that are not allowed
    folders = [sweep.folder(pathlib.Path(), cell) for cell in cells]
    if len(set(folders)) < len(folders):
        raise InputError(f"Two runs would lie in the same folder, such as {folders[0]}; give every value once.")
    for cell, folder in zip(cells, folders, strict=True):
        try:
            checks.check(sweep.config(cell), None if sweep.retrain is None else sweep.retrain_config(cell))
        except InputError as error:
            raise InputError(f"The run {folder}: {error} Correct or skip it.") from error


def outcomes(sweep: Sweep, run_dir: pathlib.Path) -> list[tuple[dict, dict[str, float]]]:
    """Values and figures of every run that has ended."""
    ended = []
    for cell, chain in zip(sweep.cells(), sweep.jobs(run_dir), strict=True):
        if all(job.is_finished() for job in chain):
            ended.append((cell, figures.of_run(chain[0].run_dir)))
    return ended


def require_figure(sweep: Sweep, outcomes: Sequence[tuple[dict, dict[str, float]]]) -> None:
    """Raises InputError, which names the figures that there are, if runs have ended and none has that of the table."""
    names = sorted({name for _, found in outcomes for name in found}.intersection(_known_figures()))
    if outcomes and sweep.figure not in names:
        raise InputError(
            f"No run has recorded the figure {sweep.figure}; there are {', '.join(names)}. Change the figure and go on "
            "with --resume --file=FILE."
        )


def runs_table(outcomes: Sequence[tuple[dict, dict[str, float]]]) -> Table:
    """A row for each run, with all its figures."""
    names = sorted({name for _, found in outcomes for name in found})
    rows = [[*cell.values(), *(found.get(name, "") for name in names)] for cell, found in outcomes]
    return [[*outcomes[0][0], *names], *([str(value) for value in row] for row in rows)]


def paper_table(sweep: Sweep, outcomes: Sequence[tuple[dict, dict[str, float]]]) -> Table:
    """Methods side by side, a row for each other combination: mean ± deviation over the seeds (best).

    Errors and accuracies are in percent. The deviation is that of a sample; one run has none. Where runs are missing,
    or have no such figure, the number of the others stands beside the best.
    """
    others = [name for name in sweep.axes if name not in (_COLUMN, _REPEATED)]
    planned, found = collections.Counter(), collections.defaultdict(list)
    for cell in sweep.cells():
        planned[_place(cell, others)] += 1
    for cell, figures_of_run in outcomes:
        if sweep.figure in figures_of_run:  # a benchmark may lack a genotype
            found[_place(cell, others)].append(figures_of_run[sweep.figure])
    rows = []
    for row in dict.fromkeys(row for row, _ in planned):
        columns = [_summary(sweep.figure, found[row, name], planned[row, name]) for name in sweep.axes[_COLUMN]]
        rows.append([*map(str, row), *columns])
    return [[*others, *map(str, sweep.axes[_COLUMN])], *rows]


def _place(cell, others):
    """Row and column of a run."""
    return tuple(cell[name] for name in others), cell[_COLUMN]


def caption(sweep: Sweep) -> str:
    """What the table shows, in one line.

    Example:
        >>> caption(read('{"sweep": {"seed": [0, 1]}}', {}))
        'valid error in percent: mean ± deviation over 2 seeds (best)'
    """
    unit = " in percent" if _in_percent(sweep.figure) else ""
    return f"{sweep.figure.replace('_', ' ')}{unit}: mean ± deviation over {len(sweep.axes[_REPEATED])} seeds (best)"


def _in_percent(figure):
    return figure.endswith(("_error", "_accuracy"))


def _summary(figure, values, planned) -> str:
    if not values:
        return ""
    values = [100 * value if _in_percent(figure) else value for value in values]
    best = max(values) if figures.more_is_better(figure) else min(values)
    digits = 2 if _in_percent(figure) else 3
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    count = f", {len(values)} of {planned}" if len(values) < planned else ""
    return f"{statistics.mean(values):.{digits}f}{spread} ({best:.{digits}f}{count})"
