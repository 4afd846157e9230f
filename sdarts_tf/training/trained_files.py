"""The files of a trained network, `<run>/retrain/`, as far as they are read without TensorFlow."""

import contextlib
import dataclasses
import pathlib

from sdarts_tf import config as configuration
from sdarts_tf.config import CHECKPOINTS, RetrainConfig
from sdarts_tf.data import sources, text
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.sources import Examples
from sdarts_tf.data.text import Corpus
from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.spaces import plugins, recurrent_table

FOLDER = "retrain"


@dataclasses.dataclass(frozen=True)
class TrainedFiles:
    """What a trained network is, apart from its weights.

    Args:
        path: the folder `<run>/retrain`.
        genotype: its architecture.
        config: how it was trained.
        data: classes, input shape and normalization; of a language model, its vocabulary.
        checkpoint: name of the folder with the weights, `"best"` or `"last"`.
        epoch: after which the weights were saved, counted from 1.
    """

    path: pathlib.Path
    genotype: Genotype
    config: RetrainConfig
    data: DataDescription | Vocabulary
    checkpoint: str
    epoch: int

    @property
    def plugin(self) -> pathlib.Path | None:
        """The file with the operations and the space of its own that the network needs; None without one."""
        return plugins.kept(self.path)

    def corpus(self, data_dir: str | None = None) -> Corpus:
        """The texts that a language model was trained on.

        Args:
            data_dir: folder with the texts; default the one it was trained from.

        Raises:
            InputError: the files are missing, or have other tokens than the model knows.
        """
        data_dir = self.config.data_dir if data_dir is None else data_dir
        corpus = text.read(self.data.name, data_dir, self.data.unit)
        if corpus.vocabulary != self.data:
            raise InputError(
                f"The texts in --data_dir={data_dir} have other {self.data.unit} than the {len(self.data)} that the "
                f"model in {self.path} was trained for; name the folder it was trained from."
            )
        return corpus

    def examples(
        self, split: str, data_dir: str | None = None, max_examples: int | None = None
    ) -> Examples | FileExamples:
        """The images of the data set that the network was trained on, always in the same order.

        Args:
            split: `"train"` or `"test"`.
            data_dir: folder with the data set's files; default the one it was trained from.
            max_examples: only the first ones.

        Raises:
            InputError: the files are missing, or have other classes than the network was trained for.
        """
        data_dir = self.config.data_dir if data_dir is None else data_dir
        source = sources.get(self.data.name, data_dir, self.data.image_shape[0] if self.data.photos else None)
        if tuple(source.label_names) != self.data.label_names:
            raise InputError(
                f"{self.data.name} in --data_dir={data_dir} has other classes than the {self.data.num_classes} that "
                f"the network in {self.path} was trained for; name the folder it was trained from."
            )
        if source.image_shape != self.data.image_shape:
            raise InputError(
                f"{self.data.name} in --data_dir={data_dir} has images of {list(source.image_shape)}, but the network "
                f"in {self.path} was trained for {list(self.data.image_shape)}; name the folder it was trained from."
            )
        return source.load(split, data_dir, max_examples)


def read(run_dir, checkpoint: str | None = None) -> TrainedFiles:
    """Reads what describes a trained network.

    Args:
        run_dir: folder of a run that holds `retrain/`.
        checkpoint: `"best"` or `"last"`; default the best where images were held out, else the last.

    Raises:
        InputError: there is none, or a file is damaged; the sentence says what to run.
    """
    path = pathlib.Path(run_dir) / FOLDER
    try:
        config = configuration.from_json(RetrainConfig, (path / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"--run_dir={run_dir} holds no trained network; run python -m sdarts_tf.retrain --run_dir={run_dir} first."
        ) from error
    genotype = Genotype.load(path / "genotype.json")
    recurrent = genotype.space == recurrent_table.NAME
    data = (Vocabulary if recurrent else DataDescription).load(path / "data.json")
    names = CHECKPOINTS if checkpoint is None else (checkpoint,)
    for name in names:
        epoch = _epoch(path / name / "checkpoint")
        if epoch is not None:
            return TrainedFiles(path, genotype, config, data, name, epoch)
    raise InputError(
        f"{path} holds no {' and no '.join(names)} checkpoint; finish at least one epoch of training, or run "
        f"python -m sdarts_tf.retrain --resume --run_dir={run_dir}."
    )


def _epoch(path):
    """The number in TensorFlow's list of the checkpoints in a folder, which names the latest first; None if none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(path.read_text(encoding="utf-8").splitlines()[0].rstrip('"').rpartition("-")[2])
