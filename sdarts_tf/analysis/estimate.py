"""What a search will take, from a few of its steps on smaller batches."""

import dataclasses
import statistics
import time

import numpy as np
import psutil
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data.source import Source
from sdarts_tf.methods import ingredients, progressive
from sdarts_tf.training import runtime
from sdarts_tf.training.search_step import build_step

_MOST_CELLS = 8  # that are measured; more take as much longer as they are more
_SMALLEST_BATCH = 8
_STEPS = 3  # timed of each batch, after one that is not


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a search will take on this machine as it is now.

    Args:
        seconds_to_first_step: building and tracing.
        seconds_per_step: of one step of weights and alpha, attack included.
        steps: of the whole search.
        evaluation_seconds: of all evaluations, one after each epoch.
        peak_bytes: largest memory, of the first GPU where there is one, else of the process.
        checkpoint_bytes: on disk, of the three checkpoints that may lie there at once.
        batches: sizes of the batches that were measured.
        cells: of the supernet that was measured.
        on_gpu: whether there is a GPU.
    """

    seconds_to_first_step: float
    seconds_per_step: float
    steps: int
    evaluation_seconds: float
    peak_bytes: float
    checkpoint_bytes: int
    batches: tuple[int, int]
    cells: int
    on_gpu: bool

    @property
    def seconds(self) -> float:
        """Of the whole search."""
        return self.seconds_to_first_step + self.steps * self.seconds_per_step + self.evaluation_seconds


def of_search(config: SearchConfig, source: Source, count: int) -> Estimate:
    """Measures a few steps at the real sizes, but on two smaller batches, and extrapolates linearly.

    Time and memory of a step are linear in the images of a batch and in the cells (docs/performance.md). Runs at most
    eight cells. Of a search in stages each stage is taken to have all candidates, so that its estimate is too high.
    What `hessian_every` and `gap_every` measure is left out.

    Args:
        config: the settings, completed; of images.
        source: the data set.
        count: number of its training images.
    """
    stage_cells = _stage_cells(config)
    cells = min(min(stage_cells), _MOST_CELLS)
    small, large = _sizes(config.batch_size, config.accumulate_steps)
    began, before = time.perf_counter(), _memory()
    measured = runtime.suited(dataclasses.replace(config, cells=cells), source.image_shape)
    step = build_step(measured, source.num_classes, image_channels=source.image_shape[2])
    run = _steps(step, source)
    seconds, peaks = {}, {}
    for batch_size in sorted({small, large}):
        seconds[batch_size], peaks[batch_size], first = run(batch_size)
        if batch_size == small:
            to_first = first - began
    trained, epochs = int(config.train_share * count), config.epochs * len(stage_cells)
    factor = sum(stage_cells) / len(stage_cells) / cells
    per_step = _extrapolated(seconds, config.batch_size) * factor
    evaluation = _evaluation_seconds(step, source, large) * config.batch_size / large * factor
    # What Python and its packages take does not grow with the cells.
    memory = before + max(0, _extrapolated(peaks, config.batch_size) - before) * max(stage_cells) / cells
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return Estimate(
        seconds_to_first_step=to_first * sum(stage_cells) / cells,
        seconds_per_step=per_step,
        steps=trained // config.batch_size * epochs,
        evaluation_seconds=evaluation * -(-(count - trained) // config.batch_size) * epochs,
        # The two halves of the images are kept once more, where batches are made: in the memory of the machine.
        peak_bytes=memory + (0 if source.photos or on_gpu else 2 * count * int(np.prod(source.image_shape))),
        checkpoint_bytes=int(3 * 2 * 4 * step.supernet.count_params() * max(stage_cells) / cells),
        batches=(small, large),
        cells=cells,
        on_gpu=on_gpu,
    )


def _sizes(batch_size, parts):
    """Two batches, multiples of `parts` as the real one; twice the same where there is only one.

    Example:
        >>> _sizes(64, 1), _sizes(64, 16), _sizes(1, 1)
        ((16, 32), (16, 32), (1, 1))
    """
    images = batch_size // parts  # of one part
    large = min(images, max(2, -(-_SMALLEST_BATCH // parts), images // 2))
    return max(1, large // 2) * parts, large * parts


def _memory():
    """Bytes: the largest number so far on a GPU, else what the process has now."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return psutil.Process().memory_info().rss


def _stage_cells(config):
    """The cells of the supernet of each stage; one number where there are no stages."""
    if ingredients.PROGRESSIVE not in ingredients.split(config.method):
        return [spaces.supernet_cells(config.space, config.cells)]
    stages = progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
    return [stage.cells for stage in stages]


def _steps(step, source):
    """Function of a batch's size -> median seconds of a step, memory of the process, when the first one was done."""
    images = tf.TensorSpec([None, *source.image_shape], tf.float32)
    batch = images, tf.TensorSpec([None], tf.int32)
    scalar, seed = tf.TensorSpec([], tf.float32), tf.TensorSpec([2], tf.int32)
    traced = tf.function(step, input_signature=[batch, batch, scalar, scalar, seed])

    def run(batch_size):
        drawn = _batch(source, batch_size)
        times = []
        for number in range(1 + _STEPS):
            began = time.perf_counter()
            traced(drawn, drawn, tf.constant(0.025), tf.constant(0.3), tf.constant([0, number]))["loss"].numpy()
            times.append(time.perf_counter() - began)
            if not number:
                first = time.perf_counter()
        return statistics.median(times[1:]), _memory(), first

    return run


def _evaluation_seconds(step, source, batch_size):
    """Median seconds of a forward pass of the supernet."""
    images, _ = _batch(source, batch_size)
    mixture = step.architecture.mixture()
    forward = tf.function(lambda: step.supernet(images, mixture, seed=(0, 0)))
    times = []
    for _ in range(1 + _STEPS):
        began = time.perf_counter()
        forward().numpy()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def _batch(source, batch_size):
    images = tf.random.stateless_normal([batch_size, *source.image_shape], (0, batch_size))
    return images, tf.random.stateless_uniform([batch_size], (1, 0), 0, source.num_classes, tf.int32)


def _extrapolated(measured, batch_size):
    """The line through two measurements, where it is read at `batch_size`; never falling. One alone is the answer."""
    (small, low), (large, high) = min(measured.items()), max(measured.items())
    return high + max(0.0, high - low) / max(1, large - small) * (batch_size - large)
