"""Do searches deteriorate, and do perturbations help? True accuracies on NAS-Bench-201, several seeds of each method.

    python scripts/nasbench201_study.py --out=study --seeds=5 --jobs=2 \\
        -- --flagfile=flags/nasbench201_small.flags --data_dir=~/data --benchmark=nasbench201.csv

What stands after `--` are flags of sdarts_tf.search. Searches run side by side; those that are finished are not
repeated, those that were stopped go on. After each one Kendall's tau of its supernet is measured. Ends with tables in
Markdown and with `study.png`; `--collect` makes them of what is there.

`study.json` in the folder keeps the flags: a later call may add seeds and methods and name other places of data and
benchmark, no other settings.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats

from sdarts_tf import command_line
from sdarts_tf import config as configuration
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.search import check
from sdarts_tf.studies import devices, jobs
from sdarts_tf.studies.jobs import Job

_MAY_DIFFER = {"run_dir", "resume", "stop_after", "method", "seed", "data_dir", "benchmark"}
_ACCURACIES = {"true_test_accuracy": "true test accuracy", "true_valid_accuracy": "true validation accuracy"}
_OTHERS = (("regret", 100, 2), ("hessian_norm", 1, 3), ("skip_connections", 1, 1), ("none", 1, 1))


def prepare(out: pathlib.Path, methods: list[str], flags: list[str]) -> SearchConfig:
    """The settings of all searches, which the folder of the study keeps.

    Raises:
        InputError: a flag or the folder cannot be used, there is no benchmark, or the study began with other settings.
    """
    config = command_line.parse(SearchConfig, flags).completed()
    for method in methods:
        check(dataclasses.replace(config, method=method))
    if config.benchmark is None:
        raise InputError("True accuracies need --benchmark=FILE; name it after --, or in a flag file.")
    # A folder without the file is of an earlier version; the settings of its searches are the study's.
    kept = out / "study.json"
    known = [path for path in (kept, *sorted(out.glob("*/config.json"))) if path.is_file()]
    if known:
        _require_same(out, configuration.from_json(SearchConfig, known[0].read_text(encoding="utf-8")), config)
    try:
        out.mkdir(parents=True, exist_ok=True)
        kept.write_text(configuration.to_json(config), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out={out} cannot be written ({error.strerror}); name another folder.") from error
    return config


def _require_same(out, began, config):
    pairs = {name: (value, getattr(config, name)) for name, value in dataclasses.asdict(began).items()}
    changed = {name: pair for name, pair in pairs.items() if name not in _MAY_DIFFER and pair[0] != pair[1]}
    if changed:
        listed = ", ".join(f"--{name}={new} was {old}" for name, (old, new) in changed.items())
        raise InputError(f"--out={out} holds a study with other settings ({listed}); name another folder.")


def chains(config: SearchConfig, folders: dict[tuple[str, int], pathlib.Path]) -> list[list[Job]]:
    """A search for each method and seed, and the measurement of its supernet."""
    found = []
    for (method, seed), folder in folders.items():
        search = jobs.job(dataclasses.replace(config, method=method, seed=seed), folder)
        found.append([search, Job("correlate", folder, ("--architectures=50", "--batches=8"), search.always)])
    return found


def curves(folder: pathlib.Path) -> dict[str, list[float]]:
    """The figures of the epochs of a run, by name; `none` counts the edges that carry nothing."""
    lines = {
        name: [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("metrics.jsonl", "genotypes.jsonl")
    }
    nones = {
        record["epoch"]: sum(edge[0] == "none" for edges in record["cells"].values() for edge in edges)
        for record in lines["genotypes.jsonl"]
    }
    records = [record | {"none": nones[record["epoch"]]} for record in lines["metrics.jsonl"]]
    names = {name for record in records for name in record}
    correlation = json.loads((folder / "correlation.json").read_text(encoding="utf-8"))
    taus = {each["epoch"]: np.nan if each["tau"] is None else each["tau"] for each in correlation["checkpoints"]}
    return {name: [record.get(name, np.nan) for record in records] for name in names} | {"taus": taus}


def accuracy_of(runs: dict[str, list[dict]]) -> str:
    """Name of the true accuracy that the runs have: of the test, of the validation where that is not known."""
    for name in _ACCURACIES:
        if any(name in run for each in runs.values() for run in each):
            return name
    raise InputError("The searches have no true accuracies; give them a --benchmark that has their genotypes.")


def series(each: list[dict], name: str, factor=1) -> np.ndarray:
    """A figure of all runs of a method, `[runs, epochs]`; NaN where it is not known or a run has ended before."""
    length = max(len(run["epoch"]) for run in each)
    rows = [factor * np.array(run.get(name, []), float) for run in each]
    return np.stack([np.pad(row, (0, length - len(row)), constant_values=np.nan) for row in rows])


def last(each: list[dict], name: str, factor=1) -> list[float]:
    """Of each run the last figure that is known, NaN if there is none."""
    known = [row[~np.isnan(row)] for row in series(each, name, factor)]
    return [row[-1] if len(row) else np.nan for row in known]


def last_taus(each: list[dict]) -> list[float]:
    """Tau of each run after its last kept epoch."""
    return [run["taus"][max(run["taus"])] if run["taus"] else np.nan for run in each]


def epochs_table(runs: dict[str, list[dict]], every: int) -> str:
    """Means over the seeds, and their standard deviations, every so many epochs."""
    accuracy = accuracy_of(runs)
    lines = [f"| epoch | method | {_ACCURACIES[accuracy]} | regret | eigenvalue | skips | none |", "|---" * 7 + "|"]
    length = max(len(run["epoch"]) for each in runs.values() for run in each)
    for epoch in sorted({1, *range(every, length + 1, every), length}):
        for method, each in runs.items():
            columns = [
                _spread(series(each, name, factor)[:, epoch - 1 : epoch], digits)
                for name, factor, digits in ((accuracy, 100, 2), *_OTHERS)
            ]
            lines.append(f"| {epoch} | `{method}` | {' | '.join(columns)} |")
    return "\n".join(lines)


def _spread(values, digits):
    """Mean and standard deviation of what is known, and of how many if that is not all."""
    values = np.ravel(values)
    known = values[~np.isnan(values)]
    if not len(known):
        return ""
    deviation = np.std(known, ddof=1) if len(known) > 1 else 0.0
    count = f" ({len(known)} of {len(values)})" if len(known) < len(values) else ""
    return f"{np.mean(known):.{digits}f} ± {deviation:.{digits}f}{count}"


def verdict_table(runs: dict[str, list[dict]]) -> str:
    """The last and the best epoch of each method, in percent."""
    accuracy = accuracy_of(runs)
    headings = "last epoch, by seed | mean ± deviation | median | best epoch, mean | lost since the best epoch, by seed"
    lines = [f"| method | {headings} |", "|---" * 6 + "|"]
    for method, each in runs.items():
        ends = np.array(last(each, accuracy, 100))
        best = np.array([max(row[~np.isnan(row)], default=np.nan) for row in series(each, accuracy, 100)])
        by_seed, lost = (", ".join(f"{x:.{digits}f}" for x in row) for row, digits in ((ends, 2), (best - ends, 1)))
        middle, highest = np.nanmedian(ends), np.nanmean(best)
        lines.append(f"| `{method}` | {by_seed} | {_spread(ends, 2)} | {middle:.2f} | {highest:.2f} | {lost} |")
    return "\n".join(lines)


def chance_table(runs: dict[str, list[dict]]) -> str:
    """How likely chance alone gives differences as large: between methods at the end, and in each one over time."""
    accuracy = accuracy_of(runs)
    lines = [f"| two-sided Mann-Whitney, p | {_ACCURACIES[accuracy]} | eigenvalue | tau |", "|---" * 4 + "|"]
    for one, other in itertools.combinations(runs, 2):
        pairs = [(last(runs[one], name), last(runs[other], name)) for name in (accuracy, "hessian_norm")]
        columns = [_mann_whitney(*pair) for pair in (*pairs, (last_taus(runs[one]), last_taus(runs[other])))]
        lines.append(f"| `{one}`, `{other}` | {' | '.join(columns)} |")
    length = min(len(run["epoch"]) for each in runs.values() for run in each)
    width = max(1, length // 5)
    start = (length - width) // 2
    middle, end = slice(start, start + width), slice(length - width, length)
    heading = f"epochs {start + 1} to {middle.stop} and {end.start + 1} to {length}, Wilcoxon, p"
    lines += ["", f"| {_ACCURACIES[accuracy]} | {heading} |", "|---|---|"]
    for method, each in runs.items():
        values = series(each, accuracy)
        lines.append(f"| `{method}` | {_wilcoxon(values[:, middle], values[:, end])} |")
    return "\n".join(lines)


def _mann_whitney(one, other):
    one, other = ([x for x in values if not np.isnan(x)] for values in (one, other))
    return f"{scipy.stats.mannwhitneyu(one, other, alternative='two-sided').pvalue:.3f}" if one and other else ""


def _wilcoxon(one, other):
    differences = np.mean(one, axis=1) - np.mean(other, axis=1)
    differences = differences[~np.isnan(differences)]
    return f"{scipy.stats.wilcoxon(differences).pvalue:.2f}" if differences.any() else ""


def tau_table(runs: dict[str, list[dict]]) -> str:
    """Kendall's tau of the kept epochs, mean and standard deviation over the seeds."""
    epochs = sorted(set.union(*(set(run["taus"]) for each in runs.values() for run in each)))
    lines = [f"| tau after epoch | {' | '.join(map(str, epochs))} |", "|---" * (1 + len(epochs)) + "|"]
    for method, each in runs.items():
        columns = [_spread([run["taus"].get(epoch, np.nan) for run in each], 3) for epoch in epochs]
        lines.append(f"| `{method}` | {' | '.join(columns)} |")
    return "\n".join(lines)


def paint(runs: dict[str, list[dict]], path: pathlib.Path) -> None:
    """True accuracy and eigenvalue over the epochs: a thin line for each seed, a thick one for their median."""
    accuracy = accuracy_of(runs)
    measured = any("hessian_norm" in run for each in runs.values() for run in each)
    figure, axes = plt.subplots(1, 1 + measured, figsize=(6 + 6 * measured, 4.5), layout="constrained", squeeze=False)
    values = {method: series(each, accuracy, 100) for method, each in runs.items()}
    bottom, top, leaving = limits([row for rows in values.values() for row in rows])
    count = sum(map(len, values.values()))
    left = f" ({leaving} of {count} curves leave the panel)" if leaving else ""
    axes[0, 0].set(title=f"{_ACCURACIES[accuracy]} of the genotype{left}", ylabel="percent", ylim=(bottom, top))
    _draw(axes[0, 0], values)
    if measured:
        axes[0, 1].set(title="spectral norm of the alpha Hessian", ylabel="largest absolute eigenvalue", yscale="log")
        _draw(axes[0, 1], {method: series(each, "hessian_norm") for method, each in runs.items()})
    figure.savefig(path, dpi=110)
    plt.close(figure)


def limits(curves: list[np.ndarray]) -> tuple[float, float, int]:
    """Where a panel begins and ends, so that a few very bad cells do not flatten the rest; how many curves leave it."""
    known = np.concatenate(curves)
    known = known[~np.isnan(known)]
    best, low = known.max(), np.quantile(known, 0.1)
    bottom = max(known.min(), best - 2 * (best - low))
    margin = 0.05 * (best - bottom) or 1.0
    leaving = sum(bool((curve < bottom - margin).any()) for curve in curves)
    return bottom - margin, best + margin, leaving


def _draw(place, values):
    for number, (method, rows) in enumerate(values.items()):
        epochs = 1 + np.flatnonzero(~np.isnan(rows).all(axis=0))
        for row in rows[:, epochs - 1]:
            place.plot(epochs[~np.isnan(row)], row[~np.isnan(row)], color=f"C{number}", alpha=0.35, linewidth=0.8)
        middle = np.nanmedian(rows[:, epochs - 1], axis=0)
        place.plot(epochs, middle, color=f"C{number}", linewidth=2.2, label=method)
    place.set_xlabel("epoch")
    place.legend()


def study(arguments) -> list[RunError]:
    """Runs the searches, prints the tables and paints; returns what went wrong."""
    methods = arguments.methods.split(",")
    # Seed by seed, so that what is there early has all methods; the slowest, named last, is begun first.
    folders = {
        (method, seed): arguments.out / f"{method}-{seed}"
        for seed in range(arguments.seeds)
        for method in methods[::-1]
    }
    failures = []
    if not arguments.collect:
        config = prepare(arguments.out, methods, arguments.flags)
        failures = jobs.run_all(chains(config, folders), devices.environments(arguments.jobs))
    runs = {method: [] for method in methods}
    for (method, _), folder in folders.items():
        if (folder / "correlation.json").exists():
            runs[method].append(curves(folder))
    runs = {method: each for method, each in runs.items() if each}
    if runs:
        tables = epochs_table(runs, arguments.every), verdict_table(runs), chance_table(runs), tau_table(runs)
        print(*tables, sep="\n\n")
        paint(runs, arguments.out / "study.png")
    return failures


def _count(text):
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is out of range; give a whole number that is at least 1")
    return int(text)


def main():
    """Reads the flags, and says in one sentence what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("--methods", default="darts,rs,adv", help="methods of sdarts_tf.search, separated by commas")
    parser.add_argument("--seeds", type=_count, default=5, help="searches of each method")
    parser.add_argument("--jobs", type=_count, default=1, help="searches at the same time")
    parser.add_argument("--every", type=_count, default=10, help="epochs from one row of the table to the next")
    parser.add_argument(
        "--collect", action="store_true", help="only make the tables, of the searches that are finished"
    )
    parser.add_argument("flags", nargs="*", help="flags of sdarts_tf.search, after --")
    try:
        failures = study(parser.parse_args())
    except KeyboardInterrupt:
        sys.exit(130)
    except (InputError, RunError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 2))
    sys.exit("; ".join(map(str, failures)) or None)


if __name__ == "__main__":
    main()
