"""Settings of a search."""

import dataclasses

from sdarts_tf.config.settings import TEXT_UNITS, complete, setting, validate, validate_parts


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

    method: str = setting("rs", "search method, a sum of ingredients: darts, rs or adv; +second_order, +pc, +pdarts")
    space: str = setting(
        "s5",
        "search space: s1 to s5, darts (eight candidates), nasbench201, nasbench1shot1_1 to _3, recurrent (for text)",
    )
    dataset: str | None = setting(
        "cifar10",
        "data set: digits (installed), cifar10, cifar100, svhn, imagenet, folder, npz:FILE, tfds:NAME; text: ptb, text",
        recurrent="ptb",
    )
    data_dir: str | None = setting(None, "folder with the data set's files, or a tensorflow-datasets folder")
    image_size: int | None = setting(
        None,
        "side of the square that is cut out of photos; default 32, small images of one size stay",
        unit="pixels",
        minimum=8,
    )
    check_data: bool = setting(False, "write a sheet of augmented images, say what is odd about the data, and stop")
    plugin: str | None = setting(
        None, "Python file with operations and spaces of your own; kept in the run, which loads it again"
    )
    benchmark: str | None = setting(
        None, "file of a NAS benchmark (.csv, .json, .tfrecord) in which each epoch's genotype is looked up, nasbench*"
    )
    benchmark_dataset: str | None = setting(
        None, "data set whose accuracies are looked up: cifar10, cifar100 or imagenet16_120; default the search's"
    )
    run_dir: str | None = setting(
        None, "folder of the run, created if missing; default runs/<method>-<space>-<dataset>-<seed>"
    )
    resume: bool = setting(False, "go on with the run in --run_dir from its last checkpoint")
    epochs: int = setting(50, "length of the search, with pdarts of each stage", unit="epochs", minimum=1)
    stop_after: int | None = setting(
        None,
        "pause after this epoch as Ctrl-C does, the schedules being those of --epochs; --resume goes on",
        unit="epochs",
        minimum=1,
    )
    batch_size: int | None = setting(
        64, "global batch size of the weight step and of the alpha step", unit="images", minimum=1, recurrent=256
    )
    channels: int = setting(16, "channels of the first cells", unit="channels", minimum=1)
    cells: int | None = setting(
        None,
        "cells of the supernet, default 8; nasbench201: of each of three stages, default 5; nasbench1shot1: default 9",
        unit="cells",
        minimum=1,
    )
    official_supernet: bool = setting(
        False, "pad the pools between cells and take running statistics of the last batch, nasbench1shot1 only"
    )
    units: int = setting(300, "size of embedding and state, recurrent cells only", unit="units", minimum=1)
    text_unit: str = setting("words", "what a text is made of: words or characters", choices=TEXT_UNITS)
    bptt: int = setting(35, "usual length of a window of text", unit="tokens", minimum=4)
    word_dropout: float = setting(
        0.0, "share of the vocabulary that a window does not see", unit="0 to 1", minimum=0.0, maximum=0.99
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
    learning_rate: float | None = setting(
        0.025, "start of the weights' cosine schedule", unit="SGD step size", minimum=0.0, recurrent=20.0
    )
    min_learning_rate: float | None = setting(
        0.001, "end of the weights' cosine schedule", unit="SGD step size", minimum=0.0, recurrent=20.0
    )
    momentum: float | None = setting(
        0.9, "momentum of the weights' SGD", unit="0 to 1", minimum=0.0, maximum=1.0, recurrent=0.0
    )
    weight_decay: float | None = setting(
        3e-4, "L2 decay of the weights, added to the gradient", unit="per step", minimum=0.0, recurrent=5e-07
    )
    gradient_clip: float | None = setting(
        5.0, "largest global norm of the weights' gradient", unit="L2 norm", minimum=0.0, recurrent=0.25
    )
    alpha_learning_rate: float | None = setting(
        3e-4, "step size of Adam on alpha", unit="Adam step size", minimum=0.0, recurrent=0.003
    )
    alpha_weight_decay: float = setting(1e-3, "L2 decay of alpha, added to the gradient", unit="per step", minimum=0.0)
    alpha_gradient_clip: float | None = setting(
        None, "largest global norm of alpha's gradient; default any", unit="L2 norm", minimum=0.0
    )
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
    channel_divisor: int = setting(4, "K: one of K parts of the channels is searched, pc only", minimum=1)
    edge_normalization: bool = setting(True, "weigh whole edges too, by alpha of their own, pc only")
    perturb_edges: bool = setting(False, "perturb the weights of edges too, pc only")
    warmup_epochs: int | None = setting(
        None,
        "first epochs, in which alpha does not move; default 0, with pc 30 %, with pdarts 40 % of them",
        unit="epochs",
        minimum=0,
    )
    max_skips: int | None = setting(
        None, "largest number of skip connections in a found normal cell; default any, with pdarts 2", minimum=0
    )
    stage_cells: str = setting("5,11,17", "cells of the supernet in each stage, in place of --cells, pdarts only")
    stage_kept: str = setting("5,3", "candidates that an edge keeps after each stage but the last, pdarts only")
    stage_skip_dropout: str = setting(
        "0.1,0.4,0.7", "start of the dropout behind skip connections in each stage, pdarts only", unit="0 to 0.99"
    )
    hessian_every: int = setting(
        0,
        "measure the Hessian of the validation loss by alpha after every so many epochs; 0 never",
        unit="epochs",
        minimum=0,
    )
    hessian_batches: int = setting(
        4, "fixed validation batches on which the Hessian is measured", unit="batches", minimum=1
    )
    hessian_statistics: str = setting(
        "training",
        "batch norm under the Hessian: training (official: the batch's, not recorded) or evaluation (running ones)",
        choices=("training", "evaluation"),
    )
    gap_every: int = setting(
        0,
        "measure what rounding to the cell costs the supernet, as sdarts_tf.analyze, every so many epochs; 0 never",
        unit="epochs",
        minimum=0,
    )
    gap_batches: int = setting(4, "fixed validation batches on which rounding is measured", unit="batches", minimum=1)
    keep_every: int = setting(
        0,
        "keep weights and alpha of every so many epochs, and of the last, for sdarts_tf.analyze; 0 keeps none",
        unit="epochs",
        minimum=0,
    )
    stop: str | None = setting(
        None,
        "end early with an earlier genotype: eigenvalue (R-DARTS, with --hessian_every), or skips:N in the normal cell",
    )
    target: str | None = setting(
        None,
        "cost of the found network: latency_ms:X (one image, this machine, of a CPU one thread), params:X or madds:X",
    )
    target_weight: float = setting(1.0, "weight of (expected cost / target - 1)^2 in the loss of alpha", minimum=0.0)
    target_channels: int | None = setting(
        None, "channels of the network whose cost is meant; default --channels", unit="channels", minimum=2
    )
    target_cells: int | None = setting(
        None, "cells of the network whose cost is meant; default those of the supernet", unit="cells", minimum=1
    )
    drop_path: float = setting(
        0.0,
        "probability of dropping a mixed edge, growing linearly from 0 to this (R-DARTS)",
        unit="0 to 1",
        minimum=0.0,
        maximum=0.99,
    )
    train_share: float = setting(
        0.5,
        "share of the training set, from its start, that trains the weights; the rest trains alpha",
        unit="0 to 1",
        minimum=0.0,
        maximum=1.0,
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the training set; default all", unit="images or tokens", minimum=2
    )
    crop_padding: int | None = setting(
        None, "zeros around the image before the random crop; default an eighth of its side", unit="pixels", minimum=0
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
    precision: str = setting(
        "float32",
        "numbers of the maps; weights, mixture, statistics and losses stay float32. float16 scales the loss",
        choices=("float32", "bfloat16", "float16"),
    )
    edges_at_once: int | None = setting(
        None,
        "most edges of a node that a kernel computes, 0 all; default on a CPU 1 or 2 by map size, else 0; DARTS only",
        unit="edges",
        minimum=0,
    )
    accumulate_steps: int = setting(
        1, "compute each batch in so many parts, each with batch statistics of its own, to save memory", minimum=1
    )
    recompute: bool = setting(False, "compute cells again in the backward pass instead of keeping them, to save memory")

    def __post_init__(self):
        validate(self)
        validate_parts(self)

    @property
    def family(self) -> str:
        """What is searched for: cells for `images`, or `recurrent` ones."""
        return "recurrent" if self.space == "recurrent" else "images"

    def completed(self) -> "SearchConfig":
        """The same, with the defaults of its family where a setting was left open.

        Example:
            >>> SearchConfig().completed().batch_size, SearchConfig(space="recurrent").completed().batch_size
            (64, 256)
        """
        return complete(self, self.family)
