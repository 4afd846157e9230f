"""How well logits agree with labels: in all, class by class, and class against class."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import confusion_matrix

from sdarts_tf.data.augment import Augmentation
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.data.sources import Examples
from sdarts_tf.data.streams import sweep


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Shares of rightly classified images, each 0 to 1.

    Args:
        images: number of images.
        top_1: share whose label has the largest logit.
        top_5: share whose label is among the five largest logits; None with five classes or fewer.
        by_class: top-1 of the images of each class; None for a class without images.
        confusion: `[true class][predicted class]` -> number of images.
    """

    images: int
    top_1: float
    top_5: float | None
    by_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def predict(network: keras.Model, examples: Examples | FileExamples, data: DataDescription, batch_size: int):
    """Logits `[n, num_classes]` of all examples, in their order, as a NumPy array.

    Args:
        network: called with normalized images, in evaluation mode and without a seed: noise is the same in every batch.
        examples: at least one.
        data: how pixels are normalized.
        batch_size: images that are computed together; with noise the logits depend on it.
    """
    forward = tf.function(network)
    batches = sweep(examples, batch_size, Augmentation(data.mean, data.std), seed=(0, 0))
    logits = [forward(images).numpy() for images, _, _ in batches]
    return np.concatenate(logits)[: len(examples)]  # the last batch was filled up


def measure(labels, logits) -> Accuracy:
    """Compares predictions with the truth.

    Args:
        labels: integers `[n]`, n at least 1.
        logits: `[n, num_classes]`, or anything else that grows with the share of a class.

    Example:
        >>> accuracy = measure([0, 0, 1], [[2.0, 1.0], [0.0, 3.0], [0.0, 1.0]])
        >>> accuracy.by_class, accuracy.confusion
        ((0.5, 1.0), ((1, 1), (0, 1)))
    """
    labels, logits = np.asarray(labels), np.asarray(logits)
    classes = logits.shape[1]
    confusion = confusion_matrix(labels, logits.argmax(axis=1), labels=range(classes))
    of_class, right = confusion.sum(axis=1), confusion.diagonal()
    return Accuracy(
        images=len(labels),
        top_1=float(right.sum() / len(labels)),
        top_5=_top(5, labels, logits) if classes > 5 else None,
        by_class=tuple(float(r / n) if n else None for r, n in zip(right, of_class, strict=True)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _top(count, labels, logits):
    best = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    return float((best == labels[:, np.newaxis]).any(axis=1).mean())
