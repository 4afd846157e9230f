"""Does a supernet rank architectures as a benchmark does? python -m sdarts_tf.correlate --run_dir=runs/x."""

import json
import pathlib
import sys

from sdarts_tf import benchmarks, command_line
from sdarts_tf.config import CorrelateConfig
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import plugins
from sdarts_tf.training import searched_files
from sdarts_tf.training.run_directory import RunDirectory

FILE = "correlation.json"


def correlate(config: CorrelateConfig) -> dict:
    """Compares a supernet's accuracies of random architectures with their true ones, for every kept checkpoint.

    Writes `correlation.json` to the run's folder.

    Returns:
        What was drawn and, for each kept epoch, Kendall's tau of the accuracies (`tau`, `p_value`) and of the losses
        (`tau_of_loss`), None where the supernet tells no two architectures apart.

    Raises:
        InputError: the folder holds no weights of a search, its space has no benchmark, or a file cannot be used;
            nothing has been written then.

    Example:
        correlation = correlate(CorrelateConfig(run_dir="runs/x", benchmark="nasbench201.csv"))
        print(correlation["checkpoints"][-1]["tau"])
    """
    if config.run_dir is None:
        raise InputError("--run_dir is needed: name the folder of a search.")
    files = searched_files.read(config.run_dir)
    searched = files.config
    path = config.benchmark or searched.benchmark
    if path is None:
        raise InputError("--benchmark is needed, as the search had none: name the file of its space's benchmark.")
    dataset = config.benchmark_dataset or searched.benchmark_dataset or searched.dataset
    benchmark = benchmarks.load(path, searched.space, dataset)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        make_task = searched_files.read_data(searched, config.data_dir)

    command_line.import_tensorflow()
    from sdarts_tf.analysis.ranking import SupernetRanking
    from sdarts_tf.training import runtime

    runtime.suit_supernets()
    runtime.make_reproducible(config.seed)
    command_line.load_plugin(plugins.kept(config.run_dir))
    ranking = SupernetRanking(files, make_task, benchmark, config)
    correlation = ranking.correlation(lambda text: print(text, file=sys.stderr))
    correlation = {"benchmark": str(path), "benchmark_dataset": dataset, **correlation}
    RunDirectory(config.run_dir).write(FILE, json.dumps(correlation) + "\n")
    return correlation


def main(config: CorrelateConfig) -> None:
    """Compares and prints a line for each kept epoch."""
    correlation = correlate(config)
    print(f"{len(correlation['architectures'])} architectures, {correlation['statistics']} statistics")
    print(f"{'epoch':>5}  {'tau':>6}  {'p':>8}  {'tau of loss':>11}")
    for each in correlation["checkpoints"]:
        tau, p_value, of_loss = each["tau"], each["p_value"], each["tau_of_loss"]
        print(f"{each['epoch']:>5}  {_text(tau, '6.3f')}  {_text(p_value, '8.2g')}  {_text(of_loss, '11.3f')}")
    print(f"Figures: {pathlib.Path(config.run_dir) / FILE}")


def _text(value, form):
    return "-".rjust(int(form.split(".")[0])) if value is None else format(value, form)


if __name__ == "__main__":
    sys.exit(command_line.run(main, CorrelateConfig, description=__doc__))
