"""Is a found cell better than a random one of the same space? Trains the networks of both alike, several seeds each.

    python scripts/retrain_study.py --genotype=runs/x/genotype.json --out=study --seeds=3 --jobs=2 \\
        -- --dataset=cifar10 --data_dir=~/data --channels=8 --cells=5 --epochs=30

What stands after `--` are flags of sdarts_tf.retrain. Trainings run side by side, one core each where there are as many
jobs as cores; those that are finished are not repeated, those that were stopped go on. Ends with a table in Markdown.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces.tables import EDGES, OUTPUTS, TABLES


def random_genotype(space: str, seed: int) -> Genotype:
    """A cell of each kind, drawn evenly: two sources for every node, an operation other than `none` for each edge."""
    draw, cells = random.Random(seed), {}
    for kind, candidates in TABLES[space].items():
        edges = []
        for node in OUTPUTS:
            arriving = [row for row, (_, target) in enumerate(EDGES) if target == node]
            for row in sorted(draw.sample(arriving, 2)):
                operation = draw.choice([name for name in candidates[row] if name != "none"])
                edges.append(Edge(operation, *EDGES[row]))
        cells[kind] = tuple(edges)
    return Genotype(space, cells, dict.fromkeys(cells, OUTPUTS))


def train(folder: pathlib.Path, genotype: pathlib.Path, seed: int, flags: list[str], jobs: int) -> dict:
    """The result of one training, which is started, taken up again, or already there."""
    result = folder / "retrain" / "result.json"
    if not result.exists():
        started = (folder / "retrain" / "config.json").exists()
        what = ["--resume"] if started else [f"--genotype={genotype}", f"--seed={seed}", *flags]
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        environment = os.environ | {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        command = [sys.executable, "-m", "sdarts_tf.retrain", f"--run_dir={folder}", *what]
        with open(folder.with_suffix(".txt"), "a", encoding="utf-8") as log:
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)
    return json.loads(result.read_text(encoding="utf-8"))


def table(results: dict[str, list[dict]]) -> str:
    """Test accuracies in percent: of every seed, their mean and their standard deviation."""
    lines = ["| cell | test accuracy by seed | mean | deviation |", "|---|---|---|---|"]
    for name, runs in results.items():
        shares = [100 * run["test_accuracy"] for run in runs]
        deviation = statistics.stdev(shares) if len(shares) > 1 else 0.0
        by_seed = ", ".join(f"{share:.2f}" for share in shares)
        lines.append(f"| {name} | {by_seed} | {statistics.mean(shares):.2f} % | {deviation:.2f} |")
    return "\n".join(lines)


def main():
    """Trains all and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", required=True, type=pathlib.Path, help="genotype.json of the found cell")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each cell")
    parser.add_argument("--random_seed", type=int, default=0, help="seed of the random cell")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("flags", nargs="*", help="flags of sdarts_tf.retrain, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = Genotype.load(arguments.genotype)
    genotypes = {"found": found, "random": random_genotype(found.space, arguments.random_seed)}
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, genotype in genotypes.items():
            (arguments.out / f"{name}.json").write_text(genotype.to_json() + "\n", encoding="utf-8")
        for seed in range(arguments.seeds):
            for name in genotypes:
                place = arguments.out / f"{name}-{seed}", arguments.out / f"{name}.json"
                jobs[name, seed] = pool.submit(train, *place, seed, arguments.flags, arguments.jobs)
    print(table({name: [jobs[name, seed].result() for seed in range(arguments.seeds)] for name in genotypes}))


if __name__ == "__main__":
    main()
