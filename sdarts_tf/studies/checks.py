"""Whether a run could begin: what its command would refuse is refused before a study starts."""

import dataclasses

from sdarts_tf import command_line, spaces
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.training import handover, search_settings


def check(config: SearchConfig | RetrainConfig, retrain: RetrainConfig | None = None) -> None:
    """Raises InputError for names that do not exist and settings that do not go together. Looks at no data.

    Imports TensorFlow for a plugin only.

    Args:
        config: of a search or a training.
        retrain: of the training of the cell that the search finds, if there is one.

    Example:
        >>> check(SearchConfig(method="adv", dataset="digits"), RetrainConfig(epochs=5))
    """
    command_line.load_plugin(config.plugin)
    if isinstance(config, RetrainConfig):
        _check_training(config)
        return
    config = config.completed()
    search_settings.check(config)
    if retrain is None:
        return
    if retrain.plugin is not None:
        raise InputError("A training has the plugin of its search; leave plugin out of retrain.")
    if retrain.genotype is not None:
        _check_training(retrain)
    else:
        handover.check_dataset(config.space, retrain.dataset or config.dataset)
        handover.check_savings(config.space, retrain)
        if config.family != "recurrent":
            spaces.network_size(config.space, retrain.channels, retrain.cells)


def _check_training(config):
    if config.genotype is None:
        raise InputError('A training needs a cell; add "genotype", a published name or a file, to its settings.')
    genotype = published.find(config.genotype)
    dataset = config.dataset or handover.default_dataset(genotype)
    handover.check(genotype, dataclasses.replace(config, dataset=dataset))
