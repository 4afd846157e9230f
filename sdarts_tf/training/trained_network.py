"""A trained network as it lies on disk, in `<run>/retrain/`: weights, genotype, settings, description of its data."""

import dataclasses
import pathlib

import keras

from sdarts_tf import spaces
from sdarts_tf.config import RetrainConfig
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces.darts_network import auxiliary_fits
from sdarts_tf.spaces.recurrent import RecurrentSpace, dropout
from sdarts_tf.training import trained_files
from sdarts_tf.training.checkpoint import Checkpoints
from sdarts_tf.training.trained_files import TrainedFiles


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A network and the files that it was read from.

    Args:
        network: called as `network(images)` -> logits `[N, num_classes]`, with `images` float32 `[N, H, W, 3]` as
            `files.data` says; evaluation mode by default. Of a recurrent genotype, a `LanguageModel`.
        files: what describes it.
    """

    network: keras.Model
    files: TrainedFiles


def build(genotype: Genotype, config: RetrainConfig, data: DataDescription | Vocabulary) -> keras.Model:
    """The network of a genotype at the size that `config` says, with fresh weights.

    Args:
        genotype: the architecture.
        config: the settings; what they leave open has the defaults for `data` and for the genotype's space.
        data: what it sees: images, or text of a vocabulary.

    Raises:
        InputError: the genotype cannot be built, or not at this size.
    """
    if isinstance(data, Vocabulary):
        return RecurrentSpace().build_network(genotype, len(data), config.units, dropout(config))
    side = min(data.image_shape[:2])
    large = side >= 128 if config.large_images is None else config.large_images
    channels, cells = spaces.network_size(genotype.space, config.channels, config.cells)
    if large and channels % 2:
        raise InputError(f"--channels={channels} is odd, but the stem for large images needs an even number.")
    space = spaces.get(genotype.space)
    if config.auxiliary and not space.has_auxiliary:
        raise InputError(f"--auxiliary is for cells of DARTS; leave it out, as networks of {space.name} have none.")
    fits = space.has_auxiliary and auxiliary_fits(side, large_images=large)
    if config.auxiliary and not fits:
        raise InputError(
            f"--auxiliary needs images of more than {side} pixels; leave it out, and there is no second classifier."
        )
    auxiliary = fits if config.auxiliary is None else config.auxiliary
    options = {"auxiliary": auxiliary, "large_images": large, "image_channels": data.image_shape[2]}
    return space.build_network(genotype, data.num_classes, channels, cells, **options)


def load(run_dir, checkpoint: str | None = None) -> TrainedNetwork:
    """Reads a trained network back.

    Args:
        run_dir: folder of a run that holds `retrain/`.
        checkpoint: `"best"` or `"last"`; default the best where images were held out, else the last.

    Raises:
        InputError: there is none, or it is damaged; the sentence says what to run.
    """
    files = trained_files.read(run_dir, checkpoint)
    network = build(files.genotype, files.config, files.data)
    if not Checkpoints(files.path / files.checkpoint, network=network).restore():
        raise InputError(f"{files.path / files.checkpoint} names no checkpoint; train the network again.")
    return TrainedNetwork(network, files)


def save(path, name: str, network: keras.Model, number: int, *, writes: bool = True) -> None:
    """Writes the network's weights as checkpoint `name` of the folder `path`; a previous one is replaced.

    Of several processes all call it and one `writes`.
    """
    Checkpoints(pathlib.Path(path) / name, keep=1, writes=writes, network=network).save(number)
