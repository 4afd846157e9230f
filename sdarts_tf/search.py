"""Searches a cell: `python -m sdarts_tf.search --method=rs --dataset=svhn`."""

import dataclasses
import pathlib
import sys

from sdarts_tf import benchmarks, command_line, spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data import sources, text
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.drawing import describe, draw
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients, progressive, stopping
from sdarts_tf.training import cluster, handover
from sdarts_tf.training.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found, and where everything about it lies."""

    genotype: Genotype
    run_dir: pathlib.Path


def check(config: SearchConfig) -> None:
    """Raises InputError for a method, space or data set that does not exist. Imports no TensorFlow."""
    try:
        ingredients.split(config.method)
    except ValueError as error:
        raise InputError(str(error)) from error
    _check_stop(config)
    spaces.check(config.space)
    spaces.supernet_cells(config.space, config.cells)
    if config.space.startswith("nasbench"):
        _check_nasbench(config)
    if config.official_supernet and not config.space.startswith("nasbench1shot1"):
        raise InputError(f"--official_supernet is for nasbench1shot1; leave it away with --space={config.space}.")
    if config.family == "recurrent":
        _check_recurrent(config)
    handover.check_dataset(config.space, config.dataset, tuple(sources.SOURCES))
    try:
        progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_nasbench(config):
    foreign = sorted({"pc", "pdarts"} & set(ingredients.split(config.method)))
    if foreign:
        raise InputError(f"--method={config.method}: {foreign[0]!r} needs the cells of DARTS; leave it out.")
    if config.max_skips is not None:
        raise InputError(f"--max_skips={config.max_skips} limits cells of DARTS; leave it away for {config.space}.")


def _check_recurrent(config):
    foreign = sorted({"pc", "pdarts"} & set(ingredients.split(config.method)))
    if foreign:
        raise InputError(f"--method={config.method}: {foreign[0]!r} needs the cells of DARTS; leave it out.")
    for name in ("benchmark", "hessian_every", "drop_path", "max_skips", "stop"):
        if getattr(config, name):
            raise InputError(
                f"--{name}={getattr(config, name)} is for image cells; leave it away with --space=recurrent."
            )


def _check_stop(config):
    if config.stop is None:
        return
    try:
        what, _ = stopping.parse(config.stop)
    except ValueError as error:
        raise InputError(str(error)) from error
    if what == "eigenvalue" and not config.hessian_every:
        raise InputError(f"--stop={config.stop} reads the Hessian; add --hessian_every=2, as its paper has it.")
    if ingredients.PROGRESSIVE in ingredients.split(config.method):
        raise InputError(f"--stop={config.stop} ends a search, of which {config.method} is several; leave one away.")


def search(config: SearchConfig) -> SearchResult:
    """Runs a search to its end, or goes on with one.

    Keys every random draw of the process by `config.seed` and switches TensorFlow to deterministic kernels.

    Args:
        config: the settings; `run_dir=None` means `runs/<method>-<space>-<dataset>-<seed>`.

    Returns:
        The genotype and the run's folder, which holds `genotype.json`, `genotype.svg`, `genotype.png`,
        `genotypes.jsonl`, `metrics.jsonl`, `config.json`, `run.flags`, `checkpoints/` and TensorBoard's `events/`.

    Raises:
        InputError: a setting or a file cannot be used; nothing has been written then.
        RunError: the search failed or was interrupted; its last checkpoint can be resumed.

    Example:
        >>> import tempfile
        >>> tiny = dict(dataset="digits", space="s2", channels=2, cells=3, epochs=1, max_examples=8, batch_size=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = search(SearchConfig(run_dir=folder + "/run", **tiny))
        >>> len(result.genotype.cells["normal"])
        8
    """
    completed = config.completed()
    check(completed)
    if config.run_dir is None:
        name = f"{config.method}-{config.space}-{completed.dataset}-{config.seed}"
        config = dataclasses.replace(config, run_dir=str(pathlib.Path("runs") / name))
    processes = cluster.read(config.strategy)
    directory = RunDirectory(config.run_dir, writes=processes.is_chief)
    if config.resume:
        config = directory.resumed_config(config)
    else:
        directory.require_unused()
    config = config.completed()
    start = _text_task if config.family == "recurrent" else _image_task
    make = start(config, directory)

    command_line.quiet_tensorflow()
    from sdarts_tf.training import runtime, strategy

    (runtime.suit_texts if config.family == "recurrent" else runtime.suit_supernets)()
    runtime.make_reproducible(config.seed)
    with strategy.together(processes, config.run_dir), strategy.create(config.strategy).scope():
        loop = make()
        if not config.resume:
            directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=loop.checkpoint_bytes())
        genotype = loop.run()
    if directory.writes:
        directory.write("genotype.json", genotype.to_json() + "\n")
        draw(genotype, directory.path / "genotype")
    return SearchResult(genotype, directory.path)


def _image_task(config, directory):
    """Reads the images; what makes the loop once TensorFlow is there."""
    benchmark = None
    if config.benchmark:
        benchmark = benchmarks.load(config.benchmark, config.space, config.benchmark_dataset or config.dataset)
    source = sources.get(config.dataset)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        examples = source.load("train", config.data_dir, config.max_examples)

    def make():
        from sdarts_tf.training import search_stages

        return search_stages.build(config, source, examples, directory, benchmark)

    return make


def _text_task(config, directory):
    """Reads the texts; what makes the loop once TensorFlow is there."""
    corpus = text.read(config.dataset, config.data_dir, config.text_unit, config.max_examples)

    def make():
        from sdarts_tf.training.search_loop import SearchLoop
        from sdarts_tf.training.text_search import TextTask

        return SearchLoop(config, TextTask(config, corpus), directory)

    return make


def main(config: SearchConfig) -> None:
    """Searches and says what was found."""
    result = search(config)
    print(describe(result.genotype))
    print(f"Genotype: {result.run_dir / 'genotype.json'}")
    print(f"Picture:  {result.run_dir / 'genotype.svg'} and .png")


if __name__ == "__main__":
    sys.exit(command_line.run(main, SearchConfig, description=__doc__))
