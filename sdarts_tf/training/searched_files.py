"""The files of a search, as far as they are read without TensorFlow."""

import dataclasses
import json
import pathlib
import re

from sdarts_tf import config as configuration
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.methods import ingredients, progressive
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
    if config.family == "recurrent":
        raise InputError(f"--run_dir={run_dir} is a search on text; only searches on images can be analyzed.")
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
