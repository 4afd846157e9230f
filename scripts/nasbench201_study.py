"""Do searches deteriorate, and do perturbations help? True accuracies on NAS-Bench-201, several seeds of each method.

    python scripts/nasbench201_study.py --out=study --seeds=5 --jobs=2 \\
        -- --flagfile=flags/nasbench201_small.flags --data_dir=~/data --benchmark=nasbench201.csv

What stands after `--` are flags of sdarts_tf.search. Searches run side by side; those that are finished are not
repeated, those that were stopped go on. After each one Kendall's tau of its supernet is measured. Ends with tables in
Markdown and with `study.png`; `--collect` makes them of what is there.
"""

import argparse
import itertools
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats

from sdarts_tf.studies import devices, jobs
from sdarts_tf.studies.jobs import Job


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


def epochs_table(runs: dict[str, list[dict]], every: int) -> str:
    """Means over the seeds, and their standard deviations, every so many epochs."""
    lines = [
        "| epoch | method | true test accuracy | regret | eigenvalue | skips | none |",
        "|---|---|---|---|---|---|---|",
    ]
    length = min(len(run["epoch"]) for each in runs.values() for run in each)
    for epoch in sorted({1, *range(every, length + 1, every), length}):
        for method, each in runs.items():
            columns = [
                _spread([run.get(name, [np.nan] * length)[epoch - 1] for run in each], factor, digits)
                for name, factor, digits in _COLUMNS
            ]
            lines.append(f"| {epoch} | `{method}` | {' | '.join(columns)} |")
    return "\n".join(lines)


_COLUMNS = (
    ("true_test_accuracy", 100, 2),
    ("regret", 100, 2),
    ("hessian_norm", 1, 3),
    ("skip_connections", 1, 1),
    ("none", 1, 1),
)


def _spread(values, factor, digits):
    values = factor * np.array(values, float)
    if np.isnan(values).any():
        return ""
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def verdict_table(runs: dict[str, list[dict]]) -> str:
    """The last and the best epoch of each method, and how likely chance alone gives the difference of two methods."""
    lines = ["| method | last epoch, by seed | mean ± deviation | best epoch, mean |", "|---|---|---|---|"]
    last = {method: [100 * run["true_test_accuracy"][-1] for run in each] for method, each in runs.items()}
    for method, each in runs.items():
        best = np.mean([100 * max(run["true_test_accuracy"]) for run in each])
        by_seed = ", ".join(f"{value:.2f}" for value in last[method])
        lines.append(f"| `{method}` | {by_seed} | {_spread(last[method], 1, 2)} | {best:.2f} |")
    lines += ["", "| last epochs of | p (two-sided Mann-Whitney test) |", "|---|---|"]
    for one, other in itertools.combinations(last, 2):
        test = scipy.stats.mannwhitneyu(last[one], last[other], alternative="two-sided")
        lines.append(f"| `{one}`, `{other}` | {test.pvalue:.3f} |")
    return "\n".join(lines)


def tau_table(runs: dict[str, list[dict]]) -> str:
    """Kendall's tau of the kept epochs, mean and standard deviation over the seeds."""
    epochs = sorted(set.intersection(*(set(run["taus"]) for each in runs.values() for run in each)))
    lines = [f"| tau after epoch | {' | '.join(map(str, epochs))} |", "|---" * (1 + len(epochs)) + "|"]
    for method, each in runs.items():
        columns = [_spread([run["taus"][epoch] for run in each], 1, 3) for epoch in epochs]
        lines.append(f"| `{method}` | {' | '.join(columns)} |")
    return "\n".join(lines)


def paint(runs: dict[str, list[dict]], path: pathlib.Path) -> None:
    """True accuracy and eigenvalue over the epochs: a thin line for each seed, a thick one for their median."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for number, (method, each) in enumerate(runs.items()):
        for place, name, factor in ((axes[0], "true_test_accuracy", 100), (axes[1], "hessian_norm", 1)):
            values = factor * np.array([run[name] for run in each], float)
            epochs = np.array(each[0]["epoch"])
            there = ~np.isnan(values).any(axis=0)
            place.plot(epochs[there], values[:, there].T, color=f"C{number}", alpha=0.35, linewidth=0.8)
            middle = np.median(values[:, there], axis=0)
            place.plot(epochs[there], middle, color=f"C{number}", linewidth=2.2, label=method)
    axes[0].set(title="true accuracy of the genotype", ylabel="test accuracy, %", ylim=(84, 95))
    axes[1].set(title="spectral norm of the alpha Hessian", ylabel="largest absolute eigenvalue", yscale="log")
    for place in axes:
        place.set_xlabel("epoch")
        place.legend()
    figure.savefig(path, dpi=110)


def main():
    """Runs the searches and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("--methods", default="darts,rs,adv", help="methods of sdarts_tf.search, separated by commas")
    parser.add_argument("--seeds", type=int, default=5, help="searches of each method")
    parser.add_argument("--jobs", type=int, default=1, help="searches at the same time")
    parser.add_argument("--every", type=int, default=10, help="epochs from one row of the table to the next")
    parser.add_argument(
        "--collect", action="store_true", help="only make the tables, of the searches that are finished"
    )
    parser.add_argument("flags", nargs="*", help="flags of sdarts_tf.search, after --")
    arguments = parser.parse_args()
    if not any(flag.startswith("--benchmark=") for flag in arguments.flags):
        parser.error("true accuracies need --benchmark=FILE, after --")
    arguments.out.mkdir(parents=True, exist_ok=True)
    methods = arguments.methods.split(",")
    # Seed by seed, so that what is there early has all methods; the slowest, named last, is begun first.
    folders = {
        (method, seed): arguments.out / f"{method}-{seed}"
        for seed in range(arguments.seeds)
        for method in methods[::-1]
    }
    chains = [
        [
            Job("search", folder, (*arguments.flags, f"--method={method}", f"--seed={seed}")),
            Job("correlate", folder, ("--architectures=50", "--batches=8")),
        ]
        for (method, seed), folder in folders.items()
    ]
    failures = [] if arguments.collect else jobs.run_all(chains, devices.environments(arguments.jobs))
    runs = {
        method: [
            curves(folder)
            for (name, _), folder in folders.items()
            if name == method and (folder / "correlation.json").exists()
        ]
        for method in methods
    }
    runs = {method: each for method, each in runs.items() if each}
    if runs:
        print(epochs_table(runs, arguments.every), verdict_table(runs), tau_table(runs), sep="\n\n")
        paint(runs, arguments.out / "study.png")
    sys.exit("; ".join(map(str, failures)) or None)


if __name__ == "__main__":
    main()
