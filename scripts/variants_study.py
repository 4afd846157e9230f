"""Searches with each of several methods in turn, and tabulates accuracy, time, memory and skip connections.

    python scripts/variants_study.py --methods=darts,pc,rs+pc,adv+pc --out=study \\
        -- --dataset=cifar10 --data_dir=~/data --channels=8 --cells=5 --epochs=8

What stands after `--` are flags of sdarts_tf.search. Searches that are finished are not repeated, those that were
stopped go on. Ends with a table in Markdown.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys


def search(folder: pathlib.Path, method: str, flags: list[str]) -> None:
    """Runs a search to its end; notes the largest memory of its process in `memory.json` beside the run."""
    if (folder / "genotype.json").exists():
        return
    what = ["--resume"] if (folder / "config.json").exists() else [f"--method={method}", *flags]
    command = [sys.executable, "-m", "sdarts_tf.search", f"--run_dir={folder}", *what]
    with open(folder.with_suffix(".txt"), "a", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"The search in {folder} failed; {folder.with_suffix('.txt')} says why.")
    folder.with_suffix(".json").write_text(json.dumps({"peak_mb": usage.ru_maxrss // 1024}), encoding="utf-8")


def row(folder: pathlib.Path, method: str) -> str:
    """A line of the table."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    stages = [
        [each for each in records if each.get("stage") == stage] for stage in {each.get("stage") for each in records}
    ]
    # The first epoch of a stage traces the step.
    seconds = " / ".join(f"{statistics.median(each['seconds'] for each in stage[1:]):.1f}" for stage in stages)
    memory = json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))["peak_mb"]
    cells = json.loads((folder / "genotype.json").read_text(encoding="utf-8"))["cells"]
    skips = {kind: sum(edge[0] == "skip_connect" for edge in edges) for kind, edges in cells.items()}
    last = records[-1]
    return (
        f"| `{method}` | {last['valid_accuracy']:.1%} | {last['train_accuracy']:.1%} | {seconds} | {memory} | "
        f"{skips['normal']} + {skips['reduce']} | {sum(each['seconds'] for each in records):.0f} |"
    )


def main():
    """Runs all searches and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", required=True, help="methods of sdarts_tf.search, separated by commas")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder of the study")
    parser.add_argument("flags", nargs="*", help="flags of sdarts_tf.search, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| method | validation accuracy | training accuracy | seconds per epoch | peak MB | skips | seconds in all |")
    print("|---|---|---|---|---|---|---|")
    for method in arguments.methods.split(","):
        folder = arguments.out / method
        search(folder, method, arguments.flags)
        print(row(folder, method), flush=True)


if __name__ == "__main__":
    main()
