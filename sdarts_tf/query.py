"""True accuracies: python -m sdarts_tf.query --run_dir=runs/x --benchmark=nasbench201.csv, or --genotype=FILE."""

import sys

from sdarts_tf import benchmarks, command_line
from sdarts_tf import config as configuration
from sdarts_tf.config import QueryConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.training.run_directory import Records, RunDirectory


def query(config: QueryConfig) -> list[dict]:
    """Looks up one genotype, or those of all epochs of a search, finished or not.

    Returns:
        For each genotype a record of `epoch` (of a search only; 0 is before the first), `architecture` (the
        benchmark's name) and, where the benchmark knows it, `true_test_accuracy`, `true_valid_accuracy` (of
        nasbench201 after 12 epochs only), `regret`, all 0 to 1, `rank` (1 is the best) and `architectures` (how many
        are ranked).

    Raises:
        InputError: there is no such genotype, search or benchmark.

    Example:
        (answer,) = query(QueryConfig(genotype="runs/x/genotype.json", benchmark="nasbench201.csv"))
        print(answer["true_test_accuracy"], answer["rank"])
    """
    if (config.genotype is None) == (config.run_dir is None):
        raise InputError("Either --genotype or --run_dir is needed; give one of them.")
    if config.genotype is not None:
        searched, records = SearchConfig().completed(), [({}, _genotype(config.genotype))]
    else:
        searched, records = _of_run(config.run_dir)
    path = config.benchmark or searched.benchmark
    if path is None:
        raise InputError("--benchmark is needed: name the file of the benchmark of the genotype's space.")
    dataset = config.benchmark_dataset or searched.benchmark_dataset or searched.dataset
    benchmark = benchmarks.load(path, records[0][1].space, dataset)
    return [{**epoch, **_answer(benchmark, genotype)} for epoch, genotype in records]


def _genotype(text) -> Genotype:
    return nasbench201_cells.parse(text) if text.startswith("|") else published.find(text)


def _of_run(run_dir) -> tuple[SearchConfig, list[tuple[dict, Genotype]]]:
    """The settings of a search, and the genotypes that it has recorded."""
    directory = RunDirectory(run_dir)
    try:
        searched = configuration.from_json(SearchConfig, (directory.path / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--run_dir={run_dir} holds no search; name the folder of one.") from error
    lines = Records(directory, "genotypes.jsonl").lines
    if not lines:
        raise InputError(f"--run_dir={run_dir} holds no genotypes yet; wait for the search's start.")
    return searched.completed(), [({"epoch": line["epoch"]}, Genotype.from_dict(line)) for line in lines]


def _answer(benchmark, genotype):
    answer = {"architecture": benchmark.name_of(genotype), **benchmark.figures(genotype)}
    rank = benchmark.rank(genotype)
    return answer if rank is None else answer | {"rank": rank, "architectures": len(benchmark.records)}


def main(config: QueryConfig) -> None:
    """Looks up and prints a line for each genotype; `-` is not known."""
    answers = query(config)
    of_nasbench201 = answers[0]["architecture"].startswith("|")
    columns = _COLUMNS | (_OF_NASBENCH201 if of_nasbench201 else {})
    columns = {name: column for name, column in columns.items() if name != "epoch" or name in answers[0]}
    print("  ".join(heading for heading, _ in columns.values()))
    for answer in answers:
        print("  ".join(_cell(answer, name, *column) for name, column in columns.items()))
    ranked = [answer["architectures"] for answer in answers if "architectures" in answer]
    print(f"Ranked among {ranked[0]:,} architectures." if ranked else "The benchmark has none of them.")


# Name of a figure -> how its column is headed, which sets the width, and how a value is written.
_COLUMNS = {
    "epoch": ("epoch", "d"),
    "true_test_accuracy": ("   test", ".2%"),
    "true_valid_accuracy": ("  valid", ".2%"),
    "regret": (" regret", ".2%"),
    "rank": ("   rank", "d"),
    "architecture": ("architecture", ""),
}
# Its validation accuracies are those of trainings over 12 epochs, its test accuracies of such over 200.
_OF_NASBENCH201 = {"true_valid_accuracy": ("valid_12ep", ".2%")}


def _cell(answer, name, heading, form):
    value = format(answer[name], form) if name in answer else "-"
    return value if name == "architecture" else value.rjust(len(heading))


if __name__ == "__main__":
    sys.exit(command_line.run(main, QueryConfig, description=__doc__))
