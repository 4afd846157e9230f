"""A search in stages, as P-DARTS makes it: each has a deeper supernet, fewer candidates, fresh weights and alpha."""

import dataclasses
import gc
import json

from sdarts_tf.benchmarks import Benchmark
from sdarts_tf.config import SearchConfig
from sdarts_tf.data.sources import Examples, Source
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients, progressive
from sdarts_tf.methods.progressive import Stage, strongest
from sdarts_tf.spaces.darts import DartsSpace
from sdarts_tf.training import runtime
from sdarts_tf.training.run_directory import RunDirectory
from sdarts_tf.training.search_loop import RunStage, SearchLoop
from sdarts_tf.training.search_task import ImageTask

_FILE = "stages.json"


class StagedSearch:
    """Runs the stages one after the other, from the start or from where the run was stopped.

    What every finished stage leaves to the next is kept in `stages.json`; checkpoints lie in `checkpoints/stage-<n>/`.
    `--epochs` and the schedules are those of each stage.

    Args:
        config: the settings.
        stages: the stages.
        source, examples, directory, progress_console: as `SearchLoop`'s.
    """

    def __init__(
        self,
        config: SearchConfig,
        stages: tuple[Stage, ...],
        source: Source,
        examples: Examples,
        directory: RunDirectory,
        *,
        progress_console=None,
    ):
        self._config, self._stages, self._directory = config, stages, directory
        self._data, self._console = (source, examples), progress_console
        path = directory.path / _FILE
        self._tables = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        self._loop = self._begin()

    def _begin(self) -> SearchLoop:
        """The loop of the first stage that is not finished."""
        number = len(self._tables)
        stage, seed = self._stages[number], (self._config.seed + 7919 * number) % 2**31
        # So that a stage starts from the same weights whether or not another one ran before it in this process.
        runtime.make_reproducible(seed)
        space = DartsSpace(self._config.space, self._tables[-1] if self._tables else None)
        config = dataclasses.replace(self._config, cells=stage.cells, seed=seed)
        return SearchLoop(
            config,
            ImageTask(config, *self._data, space=space),
            self._directory,
            space=space,
            stage=RunStage(number + 1, first_epoch=number * self._config.epochs, skip_dropout=stage.skip_dropout),
            progress_console=self._console,
        )

    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint of the present stage."""
        return self._loop.checkpoint_bytes()

    def run(self) -> Genotype:
        """Searches until the end of the last stage and returns its genotype; raises what `SearchLoop.run` raises."""
        while True:
            genotype = self._loop.run()
            kept = self._stages[len(self._tables)].kept
            if kept is None:
                return genotype
            mixture, table = self._loop.mixture(), self._loop.space.table
            self._tables.append({kind: strongest(mixture[kind], rows, kept) for kind, rows in table.items()})
            self._directory.write(_FILE, json.dumps(self._tables, indent=2) + "\n")
            self._loop = None
            gc.collect()  # the graphs of the finished stage, before those of the next are made
            self._loop = self._begin()


def build(
    config: SearchConfig,
    source: Source,
    examples: Examples,
    directory: RunDirectory,
    benchmark: Benchmark | None = None,
    target=None,
):
    """The loop of a search, or of its stages where the method has any: what can be `run`. `target`: `SearchLoop`'s."""
    if ingredients.PROGRESSIVE not in ingredients.split(config.method):
        task = ImageTask(config, source, examples, penalty=target.penalty if target else None)
        return SearchLoop(config, task, directory, benchmark=benchmark, target=target)
    stages = progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
    return StagedSearch(config, stages, source, examples, directory)
