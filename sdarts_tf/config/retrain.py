"""Settings of training a found cell."""

import dataclasses

from sdarts_tf.config.settings import TEXT_UNITS, complete, setting, validate, validate_parts
from sdarts_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class RetrainConfig:
    """Settings of `sdarts_tf.retrain`. Defaults are the official recipe for CIFAR; flags/imagenet.flags has ImageNet's.

    What `channels` and `cells` leave open is `spaces.network_size`.

    Source: `sota/cnn/train.py` and `train_imagenet.py` of the official code.

    Raises:
        InputError: a value is out of range or not among the choices, or the linear schedule is too short for its end.

    Example:
        >>> RetrainConfig(genotype="c10_s5_pgd", dataset="digits").completed("images").epochs
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
        None, "data set, as of a search: cifar10, folder, npz:FILE, ...; default the search's, else cifar10"
    )
    data_dir: str | None = setting(
        None, "folder with the data set's files, or a tensorflow-datasets folder; default the search's"
    )
    image_size: int | None = setting(
        None,
        "side of the square that is cut out of photos; default 224, small images of one size stay as they are",
        unit="pixels",
        minimum=8,
    )
    check_data: bool = setting(False, "write a sheet of augmented images, say what is odd about the data, and stop")
    plugin: str | None = setting(
        None, "Python file with operations and spaces of your own; default the search's; kept in the run"
    )
    resume: bool = setting(False, "go on with the training in --run_dir from its last checkpoint")
    epochs: int | None = setting(600, "length of the training", unit="epochs", minimum=1, recurrent=8000)
    stop_after: int | None = setting(
        None,
        "pause after this epoch as Ctrl-C does, the schedules being those of --epochs; --resume goes on",
        unit="epochs",
        minimum=1,
    )
    batch_size: int | None = setting(96, "global batch size", unit="images", minimum=1, recurrent=64)
    channels: int | None = setting(
        None,
        "channels of the first cells; default 36, of nasbench201 16, of nasbench1shot1 128",
        unit="channels",
        minimum=2,
    )
    cells: int | None = setting(
        None,
        "cells of the network, of nasbench201 in each stage; default 20, of nasbench201 5, of nasbench1shot1 9",
        unit="cells",
        minimum=1,
    )
    units: int = setting(850, "size of embedding and state, recurrent cells only", unit="units", minimum=1)
    text_unit: str | None = setting(
        None, "what a text is made of: words or characters; default the search's, else words", choices=TEXT_UNITS
    )
    bptt: int = setting(35, "usual length of a window of text", unit="tokens", minimum=4)
    word_dropout: float = setting(
        0.1, "share of the vocabulary that a window does not see", unit="0 to 1", minimum=0.0, maximum=0.99
    )
    embedding_dropout: float = setting(
        0.2, "share of the embedding's units that a sequence loses", unit="0 to 1", minimum=0.0, maximum=0.99
    )
    input_dropout: float = setting(
        0.75, "share of the cell's input units that a sequence loses", unit="0 to 1", minimum=0.0, maximum=0.99
    )
    hidden_dropout: float = setting(
        0.25, "share of the units of every state that a sequence loses", unit="0 to 1", minimum=0.0, maximum=0.99
    )
    output_dropout: float = setting(
        0.75, "share of the cell's output units that a sequence loses", unit="0 to 1", minimum=0.0, maximum=0.99
    )
    slowness: float = setting(1e-3, "weight of the squared change of the state in the loss of the weights", minimum=0.0)
    averaging_patience: int = setting(
        5, "weights are averaged once the loss is above the best until that long ago", unit="epochs", minimum=1
    )
    large_images: bool | None = setting(
        None, "a stem that reduces three times before the first cell; default on from 128 pixels"
    )
    learning_rate: float | None = setting(
        0.025, "largest step size of the schedule", unit="SGD step size", minimum=0.0, recurrent=20.0
    )
    min_learning_rate: float = setting(0.0, "end of the cosine schedule", unit="SGD step size", minimum=0.0)
    schedule: str = setting(
        "cosine",
        "learning rate by epoch: cosine, or linear, the official one for ImageNet, for more than 5 epochs",
        choices=("cosine", "linear"),
    )
    warmup_epochs: int = setting(0, "epochs over which the learning rate first grows", unit="epochs", minimum=0)
    momentum: float | None = setting(0.9, "momentum of SGD", unit="0 to 1", minimum=0.0, maximum=1.0, recurrent=0.0)
    weight_decay: float | None = setting(
        3e-4, "L2 decay of the weights, added to the gradient", unit="per step", minimum=0.0, recurrent=8e-07
    )
    gradient_clip: float | None = setting(
        5.0, "largest global norm of the gradient", unit="L2 norm", minimum=0.0, recurrent=0.25
    )
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
        "side of the square that cutout blanks; default half of the image's, officially 16; none for photos",
        unit="pixels",
        minimum=0,
    )
    crop_padding: int | None = setting(
        None,
        "zeros around the image before the random crop; default an eighth of its side, none for photos",
        unit="pixels",
        minimum=0,
    )
    flip: bool | None = setting(None, "mirror half of the images; default on, off for digits")
    min_crop_area: float = setting(
        0.08,
        "smallest share of a photo's area that a random crop shows; photos only",
        unit="0 to 1",
        minimum=0.01,
        maximum=1.0,
    )
    color_jitter: bool = setting(True, "vary brightness, contrast, saturation and hue; photos only")
    valid_share: float = setting(
        0.0,
        "share of the training set, from its end, that is held out; each epoch is evaluated on it and the best kept",
        unit="0 to 1",
        minimum=0.0,
        maximum=0.9,
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the training set; default all", unit="images or tokens", minimum=2
    )
    seed: int = setting(0, "seed of every random draw", minimum=0, maximum=2**31 - 1)
    strategy: str = setting(
        "auto",
        "devices: auto (all GPUs of this machine, else the CPU), multi_worker (all machines of TF_CONFIG), or as named",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
    )
    sync_batch_norm: bool = setting(
        False, "on several devices, batch normalization in training over the whole batch, not over each device's share"
    )
    checkpoint_seconds: float = setting(300.0, "time between checkpoints inside an epoch", unit="seconds", minimum=0.0)
    jit_compile: bool = setting(False, "compile the step with XLA, for GPU and TPU; many times slower on CPU")
    precision: str = setting(
        "float32",
        "numbers of the maps; weights, mixture, statistics and losses stay float32. float16 scales the loss",
        choices=("float32", "bfloat16", "float16"),
    )
    accumulate_steps: int = setting(
        1, "compute each batch in so many parts, each with batch statistics of its own, to save memory", minimum=1
    )
    recompute: bool = setting(False, "compute cells again in the backward pass instead of keeping them, to save memory")

    def __post_init__(self):
        validate(self)
        validate_parts(self)
        if self.schedule == "linear" and self.epochs is not None and self.epochs <= 5:
            raise InputError(f"--schedule=linear needs more than 5 epochs, not {self.epochs}; add some or use cosine.")

    def completed(self, family: str) -> "RetrainConfig":
        """The same, with the defaults of `"images"` or of `"recurrent"` cells where a setting was left open."""
        return complete(self, family)
