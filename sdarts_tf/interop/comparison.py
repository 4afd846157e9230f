"""An exported model beside the network that it was made from, on the same images."""

import contextlib
import dataclasses

import keras
import numpy as np
import scipy.special
import tensorflow as tf

from sdarts_tf.analysis.accuracy import predict
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.sources import Examples
from sdarts_tf.data.streams import sweep
from sdarts_tf.errors import RunError

TOLERANCE = 1e-4  # of probabilities, and of logits relative to the largest


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """Images and what the network says of them.

    Args:
        images: uint8 `[n, H, W, 3]`, of the network's size.
        encoded: the same images as files, each the bytes of a JPEG or PNG, photos before they were cut out.
        labels: int32 `[n]`.
        logits: float32 `[n, num_classes]`, the network's.
    """

    images: np.ndarray
    encoded: list[bytes]
    labels: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, network: keras.Model, data: DataDescription, examples: Examples | FileExamples) -> "Sample":
        """Asks the network; photos in files are encoded as they are."""
        images = pixels(examples)
        if isinstance(examples, FileExamples):
            encoded = [examples.content(place) for place in range(len(examples))]
        else:
            encoded = [tf.io.encode_png(image).numpy() for image in images]
        with _full_precision():
            return cls(images, encoded, examples.labels, predict(network, examples, data, batch_size=64))

    @property
    def probabilities(self):
        """Softmax of the logits."""
        return scipy.special.softmax(self.logits, axis=1)


@contextlib.contextmanager
def _full_precision():
    """Without TensorFloat-32, in which a GPU's convolutions are off by 1e-3: other runtimes compute in float32."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def pixels(examples: Examples | FileExamples) -> np.ndarray:
    """All images as a network's input before normalization, uint8 `[n, H, W, 3]`."""
    batches = sweep(examples, 64, lambda images, seed: images, seed=(0, 0))
    return np.concatenate([images.numpy() for images, _, _ in batches])[: len(examples)]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far an exported model is from the network.

    Args:
        model: the file or the signature.
        runtime: what ran it.
        images: number of images.
        probability_difference: the largest.
        logit_difference: the largest, divided by the network's largest logit if that is above 1.
        agreement: share of images that get the network's class.
        accuracy, network_accuracy: top-1, 0 to 1.
        allowed_drop: accuracy that the model may lose; None requires equal numbers, up to `TOLERANCE`.
    """

    model: str
    runtime: str
    images: int
    probability_difference: float
    logit_difference: float
    agreement: float
    accuracy: float
    network_accuracy: float
    allowed_drop: float | None = None

    def require(self) -> None:
        """Raises RunError unless the model is as near to the network as it has to be."""
        if self.allowed_drop is not None:
            if not self.accuracy >= self.network_accuracy - self.allowed_drop:
                raise RunError(
                    f"{self.model} has an accuracy of {self.accuracy:.4f} and the network one of "
                    f"{self.network_accuracy:.4f} on {self.images} images, which is more than the allowed drop of "
                    f"{self.allowed_drop}; give more --calibration_images, or allow more by --int8_drop."
                )
        elif not max(self.probability_difference, self.logit_difference) <= TOLERANCE:
            raise RunError(
                f"{self.model} differs from the network by {self.probability_difference:.1e} in a probability and by "
                f"{self.logit_difference:.1e} in a logit in {self.runtime}, and {TOLERANCE:.0e} is allowed; nothing "
                "was exported, so try other versions of TensorFlow and of the runtime."
            )


def compare(model: str, runtime: str, sample: Sample, outputs, *, allowed_drop: float | None = None) -> Comparison:
    """Compares the outputs of a model with the network's.

    Args:
        model, runtime, allowed_drop: as in `Comparison`.
        sample: the images.
        outputs: `"logits"` and `"probabilities"`, each `[n, num_classes]`.
    """
    logits, predicted, expected = outputs["logits"], outputs["logits"].argmax(1), sample.logits.argmax(1)
    return Comparison(
        model=model,
        runtime=runtime,
        images=len(sample.labels),
        probability_difference=float(np.abs(outputs["probabilities"] - sample.probabilities).max()),
        logit_difference=float(np.abs(logits - sample.logits).max() / max(1.0, np.abs(sample.logits).max())),
        agreement=float((predicted == expected).mean()),
        accuracy=float((predicted == sample.labels).mean()),
        network_accuracy=float((expected == sample.labels).mean()),
        allowed_drop=allowed_drop,
    )
