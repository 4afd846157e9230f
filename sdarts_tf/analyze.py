"""Shows why a search works: python -m sdarts_tf.analyze --run_dir=runs/a, or --run_dir=runs/a,runs/b to compare."""

import json
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import AnalyzeConfig
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import plugins
from sdarts_tf.training import searched_files
from sdarts_tf.training.run_directory import RunDirectory

FOLDER = "analysis"


def analyze(config: AnalyzeConfig) -> dict[str, dict]:
    """Looks at every kept checkpoint of one or more searches.

    Writes `analysis.json` and pictures to each run's `analysis/`; of several runs also pictures that compare them.

    Returns:
        Run -> its analysis: the spectra of the Hessians by alpha and by the weights, the discretization gap, the
        sensitivity to shifts of the mixture, and landscapes, for each kept epoch.

    Raises:
        InputError: a folder holds no search or no weights, or its data set is missing; nothing has been written then.

    Example:
        analysis = analyze(AnalyzeConfig(run_dir=("runs/x",), grid=0))["runs/x"]
        print(analysis["checkpoints"][-1]["alpha_hessian"]["spectral_norm"])
    """
    if not config.run_dir:
        raise InputError("--run_dir is needed: name the folder of a search, or several with commas between them.")
    files = {name: searched_files.read(name) for name in config.run_dir}
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        tasks = {name: searched_files.read_data(each.config, config.data_dir) for name, each in files.items()}

    command_line.import_tensorflow()
    from sdarts_tf.analysis import pictures
    from sdarts_tf.analysis.searched_run import SearchedRun
    from sdarts_tf.training import runtime

    texts = any(each.config.family == "recurrent" for each in files.values())
    (runtime.suit_texts if texts else runtime.suit_supernets)()
    runtime.make_reproducible(0)
    for name in files:
        command_line.load_plugin(plugins.kept(name))
    runs = {name: SearchedRun(each, tasks[name], config) for name, each in files.items()}
    analyses = {}
    for name, run in runs.items():
        analyses[name] = run.analysis(lambda line: print(line, file=sys.stderr))
        figures = json.dumps(analyses[name]) + "\n"
        _write(pathlib.Path(name) / FOLDER, pictures.paint({pathlib.Path(name).name: analyses[name]}), figures)
    if len(analyses) > 1:
        labels = _labels(analyses)
        _write(_comparison(config), pictures.paint({labels[name]: each for name, each in analyses.items()}), None)
    return analyses


def _labels(names) -> dict[str, str]:
    """What runs are called in pictures: the last part of their folders, where that tells them apart."""
    short = {name: pathlib.Path(name).name for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def _comparison(config) -> pathlib.Path:
    """The folder of the pictures of several runs."""
    if config.out is not None:
        return pathlib.Path(config.out)
    return pathlib.Path(config.run_dir[0]) / FOLDER / "comparison"


def _write(folder, painted, figures):
    from sdarts_tf.analysis import pictures  # imports matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    for old in set(pictures.NAMES) - set(painted):
        (folder / f"{old}.png").unlink(missing_ok=True)
    directory = RunDirectory(folder)
    for name, picture in painted.items():
        directory.write(f"{name}.png", picture)
    if figures is not None:
        directory.write("analysis.json", figures)


def main(config: AnalyzeConfig) -> None:
    """Analyzes and prints a line for each kept epoch."""
    analyses = analyze(config)
    for name, analysis in analyses.items():
        for each in analysis["checkpoints"]:
            hessian, gap = each["alpha_hessian"], each["gap"]
            accuracies = ", ".join(f"{step} {gap[step]['accuracy']:.1%}" for step in gap)
            print(
                f"{name}  epoch {each['epoch']}  alpha Hessian {hessian['spectral_norm']:.4f} +- "
                f"{hessian['spread']:.4f}, trace {hessian['trace']:.4f}  accuracy: {accuracies}"
            )
        print(f"Figures and pictures: {pathlib.Path(name) / FOLDER}")
    if len(analyses) > 1:
        print(f"Comparison: {_comparison(config)}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, AnalyzeConfig, description=__doc__))
