"""Reads another genotype off a finished search: `python -m sdarts_tf.select --run_dir=runs/x --select=perturbation`."""

import dataclasses
import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import SelectConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.drawing import describe, draw
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients
from sdarts_tf.spaces import plugins
from sdarts_tf.training import handover
from sdarts_tf.training.run_directory import RunDirectory


def select(config: SelectConfig) -> tuple[Genotype, pathlib.Path]:
    """Selects a genotype and writes it to `<run>/select-argmax/` or `<run>/select-perturbation/`.

    Selection by perturbation trains the supernet on between its decisions, `interval` epochs each; it can be stopped
    and resumed as a search can.

    Returns:
        The genotype, and its `genotype.json`, which `--genotype` of `sdarts_tf.retrain` reads.

    Raises:
        InputError: there is no finished search, its data set is missing, or its space has no such selection; nothing
            has been written then.
        RunError: the training failed or was interrupted; its last checkpoint can be resumed.

    Example:
        genotype, path = select(SelectConfig(run_dir="runs/rs-s5-svhn-2"))
    """
    if config.run_dir is None:
        raise InputError("--run_dir is needed: name the folder of a finished search.")
    directory = RunDirectory(config.run_dir, f"select-{config.select}", what="a selection")
    if config.resume:
        config = directory.resumed_config(config)
    else:
        directory.require_unused()
    if not (directory.run_dir / "genotype.json").is_file():
        raise InputError(f"--run_dir={config.run_dir} holds no finished search; name the folder of one.")

    command_line.import_tensorflow()
    command_line.load_plugin(plugins.kept(directory.run_dir))
    from sdarts_tf.training import searched

    found = searched.read(config.run_dir)
    genotype = (_largest_shares if config.select == "argmax" else _by_perturbation)(config, found, directory)
    directory.write("genotype.json", genotype.to_json() + "\n")
    draw(genotype, directory.path / "genotype")
    return genotype, directory.path / "genotype.json"


def _largest_shares(config, found, directory):
    from sdarts_tf import spaces

    limit = found.config.max_skips if config.max_skips is None else config.max_skips
    limit = ingredients.max_skips(found.config.method, limit)
    # Recorded over all candidates of the space, also where a stage of the search had dropped some.
    genotype = spaces.get(found.config.space).discretize(found.last_mixture(), max_skips=limit)
    directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=0)
    return genotype


def _by_perturbation(config, found, directory):
    from sdarts_tf.training import runtime
    from sdarts_tf.training.selection import SelectionLoop

    found.space.choices()  # refused here where there are none
    data_dir = found.config.data_dir if config.data_dir is None else config.data_dir
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed
        source = handover.source(dataclasses.replace(found.config, data_dir=data_dir))
        examples = source.load("train", data_dir, found.config.max_examples)
    runtime.suit_supernets()
    runtime.make_reproducible(config.seed)
    loop = SelectionLoop(found.config, config, source, examples, directory, space=found.space)
    if not config.resume:
        directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=loop.checkpoint_bytes())
    found.restore(loop.step.supernet, loop.step.architecture)
    return loop.run()


def main(config: SelectConfig) -> None:
    """Selects and says what was found."""
    genotype, path = select(config)
    print(describe(genotype))
    print(f"Genotype: {path}")
    print(f"Picture:  {path.with_suffix('.svg')} and .png")


if __name__ == "__main__":
    sys.exit(command_line.run(main, SelectConfig, description=__doc__))
