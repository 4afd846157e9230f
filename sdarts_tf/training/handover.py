"""What a retraining takes over from the search in its run's folder. Imports no TensorFlow."""

import dataclasses
import pathlib

from sdarts_tf import config as configuration
from sdarts_tf import spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype


def run_dir(config: RetrainConfig) -> str:
    """The folder of the run: the given one, or one named after the genotype.

    Raises:
        InputError: neither a folder nor a genotype is given.

    Example:
        >>> run_dir(RetrainConfig(genotype="found/DARTS_V2.json", seed=3))
        'runs/DARTS_V2-cifar10-3'
        >>> run_dir(RetrainConfig(genotype="runs/rs-s3-svhn-2/genotype.json", dataset="svhn"))
        'runs/rs-s3-svhn-2-svhn-0'
    """
    if config.run_dir is not None:
        return config.run_dir
    if config.genotype is None:
        raise InputError("--run_dir or --genotype is needed: a finished search, or a cell to train; --help explains.")
    path = pathlib.Path(config.genotype)
    # Every search calls its genotype the same.
    name = path.absolute().parent.name if path.name == "genotype.json" else path.stem
    return str(pathlib.Path("runs") / f"{name}-{config.dataset or 'cifar10'}-{config.seed}")


def complete(config: RetrainConfig) -> RetrainConfig:
    """The settings, in which genotype, data set and data folder are the search's where they were left open.

    The data folder is that of the search's data set: for another one it stays open.

    Args:
        config: its `run_dir` is given.

    Raises:
        InputError: no genotype is given, nor did a search leave one in the folder.
    """
    folder = pathlib.Path(config.run_dir)
    found = {"genotype": str(folder / "genotype.json"), "dataset": "cifar10", "data_dir": None}
    searched = (folder / "config.json").is_file()
    if config.genotype is None and not (folder / "genotype.json").is_file():
        finish = f"finish its search (python -m sdarts_tf.search --resume --run_dir={folder})"
        raise InputError(
            f"--run_dir={folder} holds no genotype.json; {finish if searched else 'name the folder of a search'}, or "
            "add --genotype."
        )
    if searched:
        search = configuration.from_json(SearchConfig, (folder / "config.json").read_text(encoding="utf-8"))
        found["dataset"] = search.dataset
        if config.dataset in (None, search.dataset):
            found["data_dir"] = search.data_dir
    left_open = {name: value for name, value in found.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **left_open)


def check_space(genotype: Genotype, name: str) -> None:
    """Raises InputError unless the genotype called `name` is of a space whose networks classify images."""
    if genotype.space not in spaces.NAMES:
        raise InputError(
            f"The genotype {name} is of space {genotype.space!r}; retraining builds image networks of the spaces "
            f"{', '.join(spaces.NAMES)}, so name one of these."
        )
