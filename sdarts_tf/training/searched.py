"""A finished search, read back from its run's folder."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from sdarts_tf import config as configuration
from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.methods import ingredients, progressive
from sdarts_tf.spaces.base import SearchSpace
from sdarts_tf.spaces.darts import DartsSpace


@dataclasses.dataclass(frozen=True)
class Searched:
    """What a search left; of a search in stages the last one.

    Args:
        path: the run's folder.
        config: its settings, with the cells of the last stage.
        space: with the candidates of the last stage.
        checkpoints: folder of its checkpoints.
    """

    path: pathlib.Path
    config: SearchConfig
    space: SearchSpace
    checkpoints: pathlib.Path

    def last_mixture(self) -> dict[str, np.ndarray]:
        """The shares at the end, over all candidates of the space."""
        *_, last = (self.path / "mixtures.jsonl").read_text(encoding="utf-8").splitlines()
        return {group: np.array(shares) for group, shares in json.loads(last)["mixture"].items()}

    def restore(self, supernet, architecture, folder: pathlib.Path | None = None) -> None:
        """Puts weights, batch statistics and alpha into a supernet of the same sizes.

        Args:
            supernet, architecture: what is restored.
            folder: with the checkpoint of an epoch that was kept; default those at the end of the search.

        Raises:
            InputError: there is no checkpoint, or it cannot be read.
        """
        folder = self.checkpoints if folder is None else folder
        latest = tf.train.latest_checkpoint(str(folder))
        if latest is None:
            raise InputError(f"{folder} holds no checkpoint; search again to get one.")
        variables = [variable.value for variable in supernet.variables]
        alpha = tf.train.Checkpoint(alpha=architecture.alpha)
        try:
            status = tf.train.Checkpoint(supernet=variables, architecture=alpha).restore(latest)
            status.assert_existing_objects_matched().expect_partial()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"Checkpoint {latest} cannot be restored ({reason}); search again.") from error


def read(run_dir) -> Searched:
    """Reads what describes a finished search.

    Raises:
        InputError: the folder holds no search, or one that is not finished.
    """
    folder = pathlib.Path(run_dir)
    if not (folder / "genotype.json").is_file() or not (folder / "config.json").is_file():
        raise InputError(f"--run_dir={folder} holds no finished search; name the folder of one, or --resume it.")
    config = configuration.from_json(SearchConfig, (folder / "config.json").read_text(encoding="utf-8"))
    return describe(folder, config.completed())


def describe(folder: pathlib.Path, config: SearchConfig) -> Searched:
    """What is read from the folder of a search with these settings; one in stages must be finished."""
    space, checkpoints = spaces.get(config.space), folder / "checkpoints"
    if ingredients.PROGRESSIVE in ingredients.split(config.method):
        tables = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
        stages = progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
        config = dataclasses.replace(config, cells=stages[-1].cells)
        space, checkpoints = DartsSpace(config.space, tables[-1]), checkpoints / f"stage-{len(stages)}"
    return Searched(folder, config, space, checkpoints)
