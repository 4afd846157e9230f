"""Settings of what is done with a trained network."""

import dataclasses

from sdarts_tf.config.settings import setting, validate

CHECKPOINTS = ("best", "last")  # of a trained network, the preferred one first


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
    split: str = setting(
        "test",
        "images it is evaluated on; a language model is evaluated on its validation and test texts",
        choices=("test", "train"),
    )
    data_dir: str | None = setting(None, "folder with the data set's files; default the one it was trained from")
    batch_size: int | None = setting(
        None,
        "images, or streams of a text, that are evaluated together; default as many as in training; one stream",
        unit="images or streams",
        minimum=1,
    )
    max_examples: int | None = setting(
        None, "use only the first examples of the split; default all", unit="images or tokens", minimum=1
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
        500,
        "test images, or tokens, on which every artefact is compared with the network",
        unit="images or tokens",
        minimum=1,
    )
    calibration_images: int = setting(
        200, "training images from which the ranges of the int8 model are taken", unit="images", minimum=1
    )
    int8_drop: float = setting(
        0.02, "accuracy that the int8 model may lose on the compared images", unit="0 to 1", minimum=0.0, maximum=1.0
    )

    def __post_init__(self):
        validate(self)
