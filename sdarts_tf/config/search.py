"""Settings of a search."""

import dataclasses

from sdarts_tf.config.settings import setting, validate


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

    def __post_init__(self):
        validate(self)
