"""The files of a search, as far as they are read without TensorFlow."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable

from sdarts_tf import config as configuration
from sdarts_tf.config import SearchConfig
from sdarts_tf.data import text
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients, progressive
from sdarts_tf.training import handover
from sdarts_tf.training.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class SearchedFiles:
    """What a search left behind.

    Args:
        run_dir: its folder.
        config: how it was started.
        checkpoints: epoch, counted from 1 -> folder with the weights and alpha after it, ascending.
    """

    run_dir: pathlib.Path
    config: SearchConfig
    checkpoints: dict[int, pathlib.Path]

    def genotype(self, epoch: int) -> Genotype:
        """What the search found after an epoch, in the way that its settings choose.

        Raises:
            InputError: its `genotypes.jsonl` does not know that epoch.
        """
        lines = map(json.loads, (self.run_dir / "genotypes.jsonl").read_text(encoding="utf-8").splitlines())
        found = next((Genotype.from_dict(line) for line in lines if line["epoch"] == epoch), None)
        if found is None:
            raise InputError(f"{self.run_dir / 'genotypes.jsonl'} has no genotype of epoch {epoch}; search again.")
        return found


def read(run_dir) -> SearchedFiles:
    """Finds the weights and alphas that a search kept; where it kept none but is finished, its last ones.

    Of a finished search in stages it finds those that the last stage kept: the others are of other networks.

    Raises:
        InputError: the folder holds no search, or no weights of it; the sentence says what to do.
    """
    directory = RunDirectory(run_dir)
    try:
        config = configuration.from_json(SearchConfig, (directory.path / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--run_dir={run_dir} holds no search; name the folder of one.") from error
    config = config.completed()
    found = {
        int(path.parent.name.removeprefix("epoch-")): path.parent
        for path in directory.kept.glob("epoch-*/checkpoint")
        if re.fullmatch(r"epoch-\d+", path.parent.name)
    }
    finished = (directory.path / "genotype.json").exists()
    if ingredients.PROGRESSIVE in ingredients.split(config.method):
        stages = progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
        found = {epoch: path for epoch, path in found.items() if finished and epoch > (len(stages) - 1) * config.epochs}
    elif not found and finished:
        lines = (directory.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        found = {json.loads(lines[-1])["epoch"]: directory.checkpoints}
    if not found:
        raise InputError(
            f"--run_dir={run_dir} holds no weights to analyze; finish the search (python -m sdarts_tf.search --resume "
            f"--run_dir={run_dir}), or start one with --keep_every=1."
        )
    return SearchedFiles(directory.path, config, dict(sorted(found.items())))


def read_data(config: SearchConfig, data_dir: str | None = None) -> Callable:
    """Reads the data of a search, which for some data sets imports TensorFlow.

    Args:
        config: its settings.
        data_dir: where the data lie now; None is where they lay.

    Returns:
        Function of settings and a space -> their `SearchTask`, which imports TensorFlow.

    Raises:
        InputError: the data are missing.
    """
    config = dataclasses.replace(config, data_dir=data_dir or config.data_dir)
    if config.family == "recurrent":
        corpus = text.read(config.dataset, config.data_dir, config.text_unit, config.max_examples)

        def make_text_task(config, space):
            from sdarts_tf.training.text_search import TextTask

            return TextTask(config, corpus)

        return make_text_task
    source = handover.source(config)
    examples = source.load("train", config.data_dir, config.max_examples)

    def make_image_task(config, space):
        from sdarts_tf.training.search_task import ImageTask

        return ImageTask(config, source, examples, space=space)

    return make_image_task
