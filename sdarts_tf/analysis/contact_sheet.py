"""A page of small pictures: training images as a training will see them."""

import io

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.source import Examples, Source
from sdarts_tf.data.streams import Stream
from sdarts_tf.training.epoch_loop import as_trained, augmentation

_COLUMNS, _IMAGES = 8, 64
_INCHES, _DOTS_PER_INCH = 1.1, 100


def of_training(config, source: Source, examples: Examples | FileExamples) -> bytes:
    """The sheet, PNG, of 64 training images, drawn at random by the seed, as the settings augment them.

    Args:
        config: of a search or of a retraining, completed.
        source: the data set.
        examples: its training images.
    """
    count = min(_IMAGES, len(examples))
    options = {"seed": config.seed, "purpose": "training"}
    stream = Stream(as_trained(config, examples), count, augmentation(config, source), **options)
    ((images, labels),) = stream.batches(0, 1)
    pixels = images.numpy() * np.array(source.std) + np.array(source.mean)
    return paint(pixels, [source.label_names[label] for label in labels.numpy()])


def paint(images: np.ndarray, names: list[str]) -> bytes:
    """Pictures in rows of eight, each below the name of its class, as PNG.

    Args:
        images: `[n, H, W, C]`, about 0 to 1; of neither 1 nor 3 channels the first one is shown.
        names: of the classes, one for each image.

    Example:
        >>> paint(np.zeros((3, 8, 8, 1)), ["a", "b", "c"])[1:4]
        b'PNG'
    """
    rows = -(-len(images) // _COLUMNS)
    with matplotlib.style.context(["default", {"font.family": "DejaVu Sans", "font.size": 7}]):
        figure = Figure(figsize=(_INCHES * _COLUMNS, (_INCHES + 0.2) * rows), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        for number, axes in enumerate(figure.subplots(rows, _COLUMNS, squeeze=False).flat):
            axes.set_axis_off()
            if number < len(images):
                image = np.clip(images[number], 0, 1)
                shown = image if image.shape[-1] == 3 else image[..., 0]
                axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axes.set_title(names[number][:16], fontsize=7, pad=2)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return file.getvalue()
