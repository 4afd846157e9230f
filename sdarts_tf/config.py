"""The settings of each command: one flat frozen dataclass, from which its flags are generated.

Imports no TensorFlow, so that `--help` and a wrong flag answer at once.
"""

import dataclasses
import json
import math
from typing import Any

from sdarts_tf.errors import InputError

CHECKPOINTS = ("best", "last")  # of a trained network, the preferred one first


def setting(default: Any, help: str, *, unit: str = "", choices: tuple = (), minimum=None, maximum=None):
    """A field of a configuration: its default, its help line and the values that are allowed.

    Args:
        default: the default value; its type (or the annotation, if None) is the flag's type.
        help: one line for `--help`.
        unit: unit or range of the value, shown in brackets after the help line.
        choices: if given, the only values allowed.
        minimum, maximum: inclusive limits of a number; None leaves that side open.
    """
    metadata = {"help": help, "unit": unit, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


def validate(config) -> None:
    """Raises InputError for the first field of a configuration whose value is not allowed."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        if value is None:
            continue
        if limits["choices"] and value not in limits["choices"]:
            raise InputError(
                f"--{field.name}={value} is not known; choose from {', '.join(map(str, limits['choices']))}."
            )
        low, high = limits["minimum"], limits["maximum"]
        # Written so that NaN, which compares false with everything, is refused too.
        outside = (low is not None and not value >= low) or (high is not None and not value <= high)
        if outside or value == math.inf:
            bounds = (
                f"at least {low}"
                if high is None
                else f"between {low} and {high}"
                if low is not None
                else f"at most {high}"
            )
            raise InputError(f"--{field.name}={value} is out of range; give a number that is {bounds}.")


def to_json(config) -> str:
    """The configuration as indented JSON, field by field."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(config_class, text: str):
    """The inverse of `to_json`; InputError for anything that `config_class` cannot hold."""
    try:
        record = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise InputError(f"The saved configuration is damaged ({error}); start another run.") from error
    unknown = sorted(set(record) - {field.name for field in dataclasses.fields(config_class)})
    if unknown:
        raise InputError(
            f"The saved configuration has unknown settings {', '.join(unknown)}; it was written by another version."
        )
    try:
        return config_class(**record)
    except TypeError as error:  # a text where a number belongs
        raise InputError(f"The saved configuration is damaged ({error}); start another run.") from error


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Settings of `sdarts_tf.search`. Defaults are the paper's and the official code's.

    Source: REFERENCE of the official code, `sota/cnn/train_search.py`; Chen & Hsieh, ICML 2020, section 5.

    Raises:
        InputError: a value is out of range or not among the choices.

    Example:
        >>> SearchConfig(method="adv", dataset="digits").epsilon
        0.3
    """

    method: str = setting("rs", "search method, a sum of ingredients: darts, rs or adv, each also +second_order")
    space: str = setting("s5", "search space: s1, s2, s3, s4, s5, or darts (eight candidates)")
    dataset: str = setting("cifar10", "data set: digits (installed, needs no network), cifar10, cifar100 or svhn")
    data_dir: str | None = setting(None, "folder with the data set's files, or a tensorflow-datasets folder")
    run_dir: str | None = setting(
        None, "folder of the run, created if missing; default runs/<method>-<space>-<dataset>-<seed>"
    )
    resume: bool = setting(False, "go on with the run in --run_dir from its last checkpoint")
    epochs: int = setting(50, "length of the search", unit="epochs", minimum=1)
    batch_size: int = setting(
        64, "global batch size of the weight step and of the alpha step", unit="images", minimum=1
    )
    channels: int = setting(16, "channels of the first cells", unit="channels", minimum=1)
    cells: int = setting(8, "cells of the supernet, two of them reduction cells", unit="cells", minimum=3)
    learning_rate: float = setting(0.025, "start of the weights' cosine schedule", unit="SGD step size", minimum=0.0)
    min_learning_rate: float = setting(0.001, "end of the weights' cosine schedule", unit="SGD step size", minimum=0.0)
    momentum: float = setting(0.9, "momentum of the weights' SGD", unit="0 to 1", minimum=0.0, maximum=1.0)
    weight_decay: float = setting(3e-4, "L2 decay of the weights, added to the gradient", unit="per step", minimum=0.0)
    gradient_clip: float = setting(5.0, "largest global norm of the weights' gradient", unit="L2 norm", minimum=0.0)
    alpha_learning_rate: float = setting(3e-4, "step size of Adam on alpha", unit="Adam step size", minimum=0.0)
    alpha_weight_decay: float = setting(1e-3, "L2 decay of alpha, added to the gradient", unit="per step", minimum=0.0)
    epsilon_start: float = setting(
        0.03, "radius of the perturbation in the first epoch", unit="share, 0 to 1", minimum=0.0
    )
    epsilon: float = setting(
        0.3, "radius towards which the perturbation grows linearly", unit="share, 0 to 1", minimum=0.0
    )
    pgd_steps: int = setting(7, "steps of the attack, adv only", unit="steps", minimum=1)
    projection: str = setting(
        "renormalize",
        "back to the simplex: renormalize (official: clamp and divide) or exact (nearest point)",
        choices=("renormalize", "exact"),
    )
    attack_statistics: str = setting(
        "evaluation",
        "batch norm inside the attack: evaluation (official: running ones) or training (the batch's, not recorded)",
        choices=("evaluation", "training"),
    )
    train_share: float = setting(
        0.5,
        "share of the training set, from its start, that trains the weights; the rest trains alpha",
        unit="0 to 1",
        minimum=0.0,
        maximum=1.0,
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the training set; default all", unit="images", minimum=2
    )
    crop_padding: int | None = setting(
        None, "zeros around the image before the random crop; default an eighth of its side", unit="pixels", minimum=0
    )
    flip: bool | None = setting(None, "mirror half of the images; default on for photographs and svhn, off for digits")
    cutout_length: int = setting(
        0, "side of the square that cutout blanks; 0 switches it off", unit="pixels", minimum=0
    )
    seed: int = setting(2, "seed of every random draw", minimum=0, maximum=2**31 - 1)
    checkpoint_seconds: float = setting(300.0, "time between checkpoints inside an epoch", unit="seconds", minimum=0.0)
    jit_compile: bool = setting(False, "compile the step with XLA, for GPU and TPU; many times slower on CPU")

    def __post_init__(self):
        validate(self)


@dataclasses.dataclass(frozen=True)
class RetrainConfig:
    """Settings of `sdarts_tf.retrain`. Defaults are the official recipe for CIFAR; flags/imagenet.flags has ImageNet's.

    Source: `sota/cnn/train.py` and `train_imagenet.py` of the official code.

    Raises:
        InputError: a value is out of range or not among the choices, or the linear schedule is too short for its end.

    Example:
        >>> RetrainConfig(genotype="c10_s5_pgd", dataset="digits").epochs
        600
    """

    run_dir: str | None = setting(
        None,
        "folder of a search, whose genotype is trained; default with --genotype runs/<genotype>-<dataset>-<seed>",
    )
    genotype: str | None = setting(
        None, "name of a published cell or a genotype.json; default the one that the search in --run_dir found"
    )
    dataset: str | None = setting(
        None, "data set: digits, cifar10, cifar100, svhn, imagenet or folder; default the search's, else cifar10"
    )
    data_dir: str | None = setting(
        None, "folder with the data set's files, or a tensorflow-datasets folder; default the search's"
    )
    image_size: int | None = setting(
        None, "side of the network's input; folder and imagenet only, default 224", unit="pixels", minimum=8
    )
    resume: bool = setting(False, "go on with the training in --run_dir from its last checkpoint")
    epochs: int = setting(600, "length of the training", unit="epochs", minimum=1)
    batch_size: int = setting(96, "global batch size", unit="images", minimum=1)
    channels: int = setting(36, "channels of the first cells", unit="channels", minimum=2)
    cells: int = setting(20, "cells of the network, two of them reduction cells", unit="cells", minimum=3)
    large_images: bool | None = setting(
        None, "a stem that reduces three times before the first cell; default on from 128 pixels"
    )
    learning_rate: float = setting(0.025, "largest step size of the schedule", unit="SGD step size", minimum=0.0)
    min_learning_rate: float = setting(0.0, "end of the cosine schedule", unit="SGD step size", minimum=0.0)
    schedule: str = setting(
        "cosine",
        "learning rate by epoch: cosine, or linear, the official one for ImageNet, for more than 5 epochs",
        choices=("cosine", "linear"),
    )
    warmup_epochs: int = setting(0, "epochs over which the learning rate first grows", unit="epochs", minimum=0)
    momentum: float = setting(0.9, "momentum of SGD", unit="0 to 1", minimum=0.0, maximum=1.0)
    weight_decay: float = setting(3e-4, "L2 decay of the weights, added to the gradient", unit="per step", minimum=0.0)
    gradient_clip: float = setting(5.0, "largest global norm of the gradient", unit="L2 norm", minimum=0.0)
    auxiliary: bool | None = setting(
        None,
        "a second classifier at two thirds of the depth, in training only; default on where its map is large enough",
    )
    auxiliary_weight: float = setting(0.4, "weight of the second classifier's loss", minimum=0.0)
    drop_path: float = setting(
        0.2,
        "probability of dropping a path, growing linearly from 0 towards this",
        unit="0 to 1",
        minimum=0.0,
        maximum=0.99,
    )
    label_smoothing: float = setting(
        0.0, "share of each label that is spread over all classes", unit="0 to 1", minimum=0.0, maximum=1.0
    )
    cutout_length: int | None = setting(
        None,
        "side of the square that cutout blanks; default half of the image's, officially 16; none for folder, imagenet",
        unit="pixels",
        minimum=0,
    )
    crop_padding: int | None = setting(
        None,
        "zeros around the image before the random crop; default an eighth of its side, none for folder, imagenet",
        unit="pixels",
        minimum=0,
    )
    flip: bool | None = setting(None, "mirror half of the images; default on for photographs and svhn, off for digits")
    min_crop_area: float = setting(
        0.08,
        "smallest share of a photo's area that a random crop shows; folder and imagenet only",
        unit="0 to 1",
        minimum=0.01,
        maximum=1.0,
    )
    color_jitter: bool = setting(True, "vary brightness, contrast, saturation and hue; folder and imagenet only")
    valid_share: float = setting(
        0.0,
        "share of the training set, from its end, that is held out; each epoch is evaluated on it and the best kept",
        unit="0 to 1",
        minimum=0.0,
        maximum=0.9,
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the training set; default all", unit="images", minimum=2
    )
    seed: int = setting(0, "seed of every random draw", minimum=0, maximum=2**31 - 1)
    checkpoint_seconds: float = setting(300.0, "time between checkpoints inside an epoch", unit="seconds", minimum=0.0)
    jit_compile: bool = setting(False, "compile the step with XLA, for GPU and TPU; many times slower on CPU")

    def __post_init__(self):
        validate(self)
        if self.schedule == "linear" and self.epochs <= 5:
            raise InputError(f"--schedule=linear needs more than 5 epochs, not {self.epochs}; add some or use cosine.")


@dataclasses.dataclass(frozen=True)
class ImportConfig:
    """Settings of `sdarts_tf.import_torch`."""

    weights: str | None = setting(None, "weights.pt of a derived network, as the official code saves it")
    genotype: str | None = setting(None, "name of a published cell, or a genotype.json")
    out: str | None = setting(None, "new folder for the checkpoint")

    def __post_init__(self):
        validate(self)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `sdarts_tf.evaluate`."""

    run_dir: str | None = setting(None, "folder of the run whose trained network is evaluated")
    checkpoint: str | None = setting(
        None, "weights: best or last; default the best where images were held out, else the last", choices=CHECKPOINTS
    )
    split: str = setting("test", "images it is evaluated on", choices=("test", "train"))
    data_dir: str | None = setting(None, "folder with the data set's files; default the one it was trained from")
    batch_size: int | None = setting(
        None, "images that are evaluated together; default as many as in training", unit="images", minimum=1
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the split; default all", unit="images", minimum=1
    )

    def __post_init__(self):
        validate(self)


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Settings of `sdarts_tf.export`."""

    run_dir: str | None = setting(None, "folder of the run whose trained network is exported")
    out: str | None = setting(None, "folder of the exports; each is a new folder 1, 2, ... inside it")
    format: str = setting(
        "saved_model", "saved_model, lite (float and int8) or onnx", choices=("saved_model", "lite", "onnx")
    )
    checkpoint: str | None = setting(
        None, "weights: best or last; default the best where images were held out, else the last", choices=CHECKPOINTS
    )
    data_dir: str | None = setting(None, "folder with the data set's files; default the one it was trained from")
    compared_images: int = setting(
        500, "test images on which every artefact is compared with the network", unit="images", minimum=1
    )
    calibration_images: int = setting(
        200, "training images from which the ranges of the int8 model are taken", unit="images", minimum=1
    )
    int8_drop: float = setting(
        0.02, "accuracy that the int8 model may lose on the compared images", unit="0 to 1", minimum=0.0, maximum=1.0
    )

    def __post_init__(self):
        validate(self)
