"""Does perturbation keep the Hessian small and the landscape flat? Searches by several methods, several seeds each.

    python scripts/why_it_works_study.py --out=study --methods=darts,rs,adv --seeds=3 --jobs=2 \\
        -- --space=s3 --dataset=cifar10 --data_dir=~/data --channels=8 --cells=5 --epochs=30 --keep_every=10

What stands after `--` are flags of sdarts_tf.search. Each search is analyzed when it is finished, without the spectrum
of the weights; landscapes are made of the first seed. Searches run side by side, one core each where there are as many
jobs as cores; what is finished is not repeated, what was stopped goes on. Ends with pictures and a table in Markdown.
"""

import argparse
import json
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from sdarts_tf.analysis import pictures
from sdarts_tf.studies import devices, jobs
from sdarts_tf.studies.jobs import Job

GAP = ("mixture", "one_hot", "pruned")


def chain(folder: pathlib.Path, method: str, seed: int, arguments) -> list[Job]:
    """One search and its analysis."""
    flags = ("--hessian_every=1", "--keep_every=5", *arguments.flags)
    grid = arguments.grid if seed == 0 else 0
    return [
        Job("search", folder, (f"--method={method}", f"--seed={seed}", *flags)),
        Job("analyze", folder, (f"--grid={grid}", f"--batches={arguments.batches}", "--weight_steps=0")),
    ]


def records(folder: pathlib.Path) -> dict:
    """What one search and its analysis left."""
    metrics = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    analysis = json.loads((folder / "analysis" / "analysis.json").read_text(encoding="utf-8"))
    return {"metrics": [json.loads(line) for line in metrics], "analysis": analysis}


def table(results: dict[str, list[dict]]) -> str:
    """Figures at the end of the searches: mean and standard deviation over the seeds."""
    columns = {
        "Hessian norm": lambda last, _: last["alpha_hessian"]["spectral_norm"],
        "trace": lambda last, _: last["alpha_hessian"]["trace"],
        "loss at adv. 0.3, less clean": lambda last, _: _rise(last["sensitivity"]),
        **{f"accuracy, {step}": (lambda last, _, step=step: last["gap"][step]["accuracy"]) for step in GAP},
        "skips": lambda _, metrics: metrics[-1]["skip_connections"],
    }
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for method, runs in results.items():
        cells = []
        for figure in columns.values():
            values = [figure(each["analysis"]["checkpoints"][-1], each["metrics"]) for each in runs]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} ± {deviation:.3f}")
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rise(record):
    return record["adversarial_loss"][-1] - record["clean_loss"]


def paint(results: dict[str, list[dict]], path: pathlib.Path):
    """Eigenvalue curves, sensitivity and gap: a color for each method, a line for each seed."""
    figure, (norms, losses, gaps) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    for number, (method, runs) in enumerate(results.items()):
        for index, each in enumerate(runs):
            style = {"color": f"C{number}", "label": method if index == 0 else None, "alpha": 0.8}
            measured = [line for line in each["metrics"] if "hessian_norm" in line]
            norms.plot([line["epoch"] for line in measured], [line["hessian_norm"] for line in measured], **style)
            last = each["analysis"]["checkpoints"][-1]
            shifts = last["sensitivity"]
            epsilons = [0.0, *shifts["epsilon"]]
            losses.plot(epsilons, [shifts["clean_loss"], *shifts["adversarial_loss"]], **style)
            losses.plot(epsilons, [shifts["clean_loss"], *shifts["random_loss"]], "--", color=f"C{number}", alpha=0.8)
            gaps.plot(GAP, [last["gap"][step]["accuracy"] for step in GAP], "o-", **style)
    for axes, title, x, y in (
        (norms, "spectral norm of the alpha Hessian", "epoch", "largest absolute eigenvalue"),
        (losses, "validation loss at shifted mixtures (dashed: random)", "epsilon", "loss"),
        (gaps, "validation accuracy on the way to the genotype", "", "accuracy"),
    ):
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.legend()
    figure.savefig(path, dpi=110)


def main():
    """Searches, analyzes, paints and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("--methods", default="darts,rs,adv", help="methods of sdarts_tf.search, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="searches by each method")
    parser.add_argument("--jobs", type=int, default=1, help="searches at the same time")
    parser.add_argument("--grid", type=int, default=15, help="points on each side of a landscape")
    parser.add_argument("--batches", type=int, default=4, help="validation batches of an analysis")
    parser.add_argument("flags", nargs="*", help="flags of sdarts_tf.search, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    methods = arguments.methods.split(",")
    folders = {method: [arguments.out / f"{method}-{seed}" for seed in range(arguments.seeds)] for method in methods}
    # Seed after seed, so that a study that is not finished has something of every method.
    chains = [
        chain(folders[method][seed], method, seed, arguments) for seed in range(arguments.seeds) for method in methods
    ]
    failures = jobs.run_all(chains, devices.environments(arguments.jobs))
    if failures:
        sys.exit("; ".join(map(str, failures)))
    results = {method: [records(folder) for folder in each] for method, each in folders.items()}
    paint(results, arguments.out / "study.png")
    first = {method: runs[0]["analysis"] for method, runs in results.items()}
    for name, picture in pictures.paint(first).items():
        (arguments.out / f"{'landscape_' * (name != 'curvature')}{name}.png").write_bytes(picture)
    (arguments.out / "table.md").write_text(table(results) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
