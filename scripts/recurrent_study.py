"""Recurrent cells on one text: a search by every method, then the found, the published and a random cell trained alike.

    python scripts/recurrent_study.py --out=study --data=--dataset=ptb,--data_dir=~/data \\
        --search=--units=64,--epochs=4 --retrain=--units=64,--epochs=4

The three options are flags of the commands, separated by commas; `--data` goes to both. What is finished is not
repeated, what was stopped goes on. Ends with two tables in Markdown: perplexity by epoch of the searches, and test
perplexity of the cells.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys

from retrain_study import train

from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces.recurrent_table import CANDIDATES, GROUP, NAME, NUM_BLOCKS, OUTPUTS

METHODS = ("darts", "rs", "adv", "darts+second_order")


def random_genotype(seed: int) -> Genotype:
    """A cell drawn evenly: for every block any earlier state and any activation."""
    draw = random.Random(seed)
    edges = [Edge(draw.choice(CANDIDATES[1:]), draw.randrange(block), block) for block in range(1, 1 + NUM_BLOCKS)]
    return Genotype(NAME, {GROUP: tuple(edges)}, {GROUP: OUTPUTS})


def search(folder: pathlib.Path, method: str, flags: list[str]) -> list[dict]:
    """The figures of every epoch of a search, which is started, taken up again, or already there."""
    if not (folder / "genotype.json").exists():
        what = ["--resume"] if (folder / "config.json").exists() else [f"--method={method}", f"--space={NAME}", *flags]
        command = [sys.executable, "-m", "sdarts_tf.search", f"--run_dir={folder}", *what]
        with open(folder.with_suffix(".txt"), "a", encoding="utf-8") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def search_table(searches: dict[str, list[dict]]) -> str:
    """Validation perplexity of the supernet after every epoch."""
    lines = ["| method | validation perplexity by epoch | seconds |", "|---|---|---|"]
    for method, epochs in searches.items():
        values = ", ".join(f"{record['valid_perplexity']:.0f}" for record in epochs)
        lines.append(f"| `{method}` | {values} | {sum(record['seconds'] for record in epochs):.0f} |")
    return "\n".join(lines)


def cell_table(results: dict[str, list[dict]]) -> str:
    """Test perplexity: of every seed, their mean and their standard deviation."""
    lines = ["| cell | test perplexity by seed | mean | deviation |", "|---|---|---|---|"]
    for name, runs in results.items():
        values = [run["test_perplexity"] for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        by_seed = ", ".join(f"{value:.1f}" for value in values)
        lines.append(f"| {name} | {by_seed} | {statistics.mean(values):.1f} | {deviation:.1f} |")
    return "\n".join(lines)


def main():
    """Searches, trains and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("--found", default="adv", choices=METHODS, help="the search whose cell is trained")
    parser.add_argument("--published", default="rnn_DARTS_V2", help="the published cell")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each cell")
    for name in ("data", "search", "retrain"):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=[], help="flags, by commas")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    searches = {
        method: search(arguments.out / f"search-{method}", method, arguments.data + arguments.search)
        for method in METHODS
    }
    print(search_table(searches), flush=True)
    genotypes = {
        "found": Genotype.load(arguments.out / f"search-{arguments.found}" / "genotype.json"),
        "published": published.get(arguments.published),
        "random": random_genotype(0),
    }
    results = {name: [] for name in genotypes}
    for seed in range(arguments.seeds):
        for name, genotype in genotypes.items():
            place = arguments.out / f"{name}.json"
            place.write_text(genotype.to_json() + "\n", encoding="utf-8")
            flags = arguments.data + arguments.retrain
            results[name].append(train(arguments.out / f"{name}-{seed}", place, seed, flags, jobs=1))
    print(cell_table(results))


if __name__ == "__main__":
    main()
