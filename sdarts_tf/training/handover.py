"""What a retraining takes over from the search in its run's folder. Imports no TensorFlow."""

import dataclasses
import pathlib

from sdarts_tf import config as configuration
from sdarts_tf import spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.data import own, sources, text
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces import plugins, recurrent_table

# Side of what a search cuts out of photos: its supernet has no stem for large images.
_SEARCHED_SIZE = 32


def run_dir(config: RetrainConfig) -> str:
    """The folder of the run: the given one, or one named after the genotype.

    Raises:
        InputError: neither a folder nor a genotype is given, or there is no such genotype.

    Example:
        >>> run_dir(RetrainConfig(genotype="DARTS_V2", seed=3)), run_dir(RetrainConfig(genotype="penn_pgd"))
        ('runs/DARTS_V2-cifar10-3', 'runs/penn_pgd-ptb-0')
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
    dataset = config.dataset or default_dataset(published.find(config.genotype))
    return str(pathlib.Path("runs") / f"{name}-{own.label(dataset)}-{config.seed}")


def complete(config: RetrainConfig) -> RetrainConfig:
    """The settings, in which genotype, data set and data folder are the search's where they were left open.

    What else is open has the default of the genotype's family, as `RetrainConfig.completed` says.

    The data folder is that of the search's data set: for another one it stays open.

    Args:
        config: its `run_dir` is given.

    Raises:
        InputError: no genotype is given, nor did a search leave one in the folder.
    """
    folder = pathlib.Path(config.run_dir)
    found = {"genotype": str(folder / "genotype.json"), "data_dir": None}
    searched = (folder / "config.json").is_file()
    if plugins.kept(folder) is not None:
        found["plugin"] = str(plugins.kept(folder))
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
            found |= {"data_dir": search.data_dir, "text_unit": search.text_unit}
    genotype = published.find(config.genotype or found["genotype"])
    found = {"dataset": default_dataset(genotype), "text_unit": "words"} | found
    left_open = {name: value for name, value in found.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **left_open).completed(family(genotype))


def family(genotype: Genotype) -> str:
    """Whose defaults a training of the genotype has: those of `"images"` or of `"recurrent"` cells."""
    return "recurrent" if genotype.space == recurrent_table.NAME else "images"


def sized(config: RetrainConfig, genotype: Genotype) -> RetrainConfig:
    """The settings, in which channels and cells are those of the genotype's space where they were left open.

    Raises:
        InputError: the space needs more cells.
    """
    if family(genotype) == "recurrent":
        return config
    channels, cells = spaces.network_size(genotype.space, config.channels, config.cells)
    return dataclasses.replace(config, channels=channels, cells=cells)


def default_dataset(genotype: Genotype) -> str:
    """The data set of a training that neither its settings nor a search name."""
    return "ptb" if family(genotype) == "recurrent" else "cifar10"


def source(config: SearchConfig) -> sources.Source:
    """The data set of images that a search sees."""
    return sources.get(config.dataset, config.data_dir, config.image_size, photo_size=_SEARCHED_SIZE)


def check(genotype: Genotype, config: RetrainConfig) -> None:
    """Raises InputError unless the genotype is of a known space, and data set, size and savings are for it."""
    if genotype.space not in spaces.names():
        raise InputError(
            f"The genotype {config.genotype} is of space {genotype.space!r}; retraining builds networks of the spaces "
            f"{', '.join(spaces.names())}, so name one of these; a plugin's space needs its --plugin."
        )
    check_dataset(genotype.space, config.dataset)
    check_savings(genotype.space, config)
    sized(config, genotype)


def check_dataset(space: str, dataset: str) -> None:
    """Raises InputError unless a data set exists and fits the space.

    Args:
        space: a name of `spaces.NAMES`.
        dataset: as in `--dataset`.
    """
    recurrent = space == recurrent_table.NAME
    if sources.is_known(dataset) if recurrent else dataset in text.NAMES:
        fitting, other = (text.NAMES, "images") if recurrent else ((*sources.NAMES, *own.FORMS), "texts")
        raise InputError(
            f"--dataset={dataset} is not for the space {space}; choose from {', '.join(fitting)}, or a space "
            f"for {other}."
        )
    sources.check(dataset, text.NAMES if recurrent else None)


def check_savings(space: str, config: SearchConfig | RetrainConfig) -> None:
    """Raises InputError for what saves memory with images, if the space has none."""
    if space != recurrent_table.NAME:
        return
    for name, usual in (("precision", "float32"), ("accumulate_steps", 1), ("recompute", False)):
        value = getattr(config, name)
        if value != usual:
            raise InputError(f"--{name}={value} is for cells that see images; leave it away for recurrent ones.")
