"""Searches a cell: `python -m sdarts_tf.search --method=rs --dataset=svhn`."""

import dataclasses
import pathlib
import sys

from sdarts_tf import command_line, spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data import sources
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.drawing import describe, draw
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients, progressive, stopping
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
    if config.precision != "float32" and "second_order" in ingredients.split(config.method):
        raise InputError(
            f"--method={config.method} takes small differences of gradients, which --precision={config.precision} "
            "rounds away; use float32, or leave second_order out."
        )
    _check_stop(config)
    spaces.check(config.space)
    sources.check(config.dataset, tuple(sources.SOURCES))
    try:
        progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
    except ValueError as error:
        raise InputError(str(error)) from error


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
    check(config)
    if config.run_dir is None:
        name = f"{config.method}-{config.space}-{config.dataset}-{config.seed}"
        config = dataclasses.replace(config, run_dir=str(pathlib.Path("runs") / name))
    directory = RunDirectory(config.run_dir)
    if config.resume:
        config = directory.resumed_config(config)
    else:
        directory.require_unused()
    source = sources.get(config.dataset)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        examples = source.load("train", config.data_dir, config.max_examples)

    command_line.quiet_tensorflow()
    from sdarts_tf.training import runtime, search_stages

    runtime.suit_supernets()
    runtime.make_reproducible(config.seed)
    loop = search_stages.build(config, source, examples, directory)
    if not config.resume:
        directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=loop.checkpoint_bytes())
    genotype = loop.run()
    directory.write("genotype.json", genotype.to_json() + "\n")
    draw(genotype, directory.path / "genotype")
    return SearchResult(genotype, directory.path)


def main(config: SearchConfig) -> None:
    """Searches and says what was found."""
    result = search(config)
    print(describe(result.genotype))
    print(f"Genotype: {result.run_dir / 'genotype.json'}")
    print(f"Picture:  {result.run_dir / 'genotype.svg'} and .png")


if __name__ == "__main__":
    sys.exit(command_line.run(main, SearchConfig, description=__doc__))
