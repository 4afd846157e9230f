"""All that `sdarts_tf.evaluate` finds out about a trained network, as JSON and as a table. Imports no TensorFlow."""

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How good and how expensive a trained network is.

    Args:
        dataset, split: the images it was evaluated on.
        checkpoint, epoch: the weights, `"best"` or `"last"`, and the epoch after which they were saved.
        images: number of images.
        top_1, top_5: accuracy, 0 to 1; `top_5` is None with five classes or fewer.
        class_accuracy: class -> top-1 accuracy of its images; None for a class without images.
        confusion: `[true class][predicted class]` -> number of images.
        parameters: of the network as it classifies.
        auxiliary_parameters: of the head that exists in training only.
        multiply_adds: of convolutions and linear layers, for one image.
        latency: images in a batch -> median seconds from images to logits.
        device: what the latency was measured on.

    Example:
        >>> figures = {"top_1": 0.75, "top_5": None, "class_accuracy": {"cat": 0.5, "dog": 1.0}}
        >>> cost = {"parameters": 10, "auxiliary_parameters": 0, "multiply_adds": 5, "latency": {1: 0.002}}
        >>> weights = {"checkpoint": "last", "epoch": 9}
        >>> rest = {"split": "test", "confusion": [[1, 1], [0, 2]], "device": "CPU, 2 threads"}
        >>> evaluation = Evaluation(dataset="pets", images=4, **weights, **figures, **cost, **rest)
        >>> print(evaluation.to_table().splitlines()[0])
        pets, test split, 4 images, checkpoint last of epoch 9
        >>> Evaluation.from_json(evaluation.to_json()) == evaluation
        True
    """

    dataset: str
    split: str
    checkpoint: str
    epoch: int
    images: int
    top_1: float
    top_5: float | None
    class_accuracy: dict[str, float | None]
    confusion: list[list[int]]
    parameters: int
    auxiliary_parameters: int
    multiply_adds: int
    latency: dict[int, float]
    device: str

    def to_json(self) -> str:
        """One line for each field."""
        lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in dataclasses.asdict(self).items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The inverse of `to_json`; ValueError, TypeError or KeyError for anything else."""
        record: dict[str, Any] = json.loads(text)
        latency = {int(batch_size): seconds for batch_size, seconds in record.pop("latency").items()}
        return cls(latency=latency, **record)

    def to_table(self) -> str:
        """The figures for a terminal, without the confusion matrix."""
        rows = [("top-1 accuracy", _percent(self.top_1))]
        rows += [("top-5 accuracy", _percent(self.top_5))] if self.top_5 is not None else []
        rows += [
            ("parameters", f"{self.parameters:,}"),
            ("with auxiliary head", f"{self.parameters + self.auxiliary_parameters:,}"),
            ("multiply-adds", f"{self.multiply_adds / 1e6:,.2f} M"),
        ]
        rows += [
            (f"latency, batch {size}", f"{1000 * seconds:.2f} ms  ({size / seconds:,.0f} images/s, {self.device})")
            for size, seconds in self.latency.items()
        ]
        classes = [(name, _percent(share)) for name, share in self.class_accuracy.items()]
        width = max(len(name) for name, _ in rows + classes)
        weights = f"checkpoint {self.checkpoint} of epoch {self.epoch}"
        lines = [f"{self.dataset}, {self.split} split, {self.images:,} images, {weights}", ""]
        lines += [f"{name:{width}}  {value}" for name, value in rows]
        lines += ["", "accuracy by class"]
        lines += [f"{name:{width}}  {value}" for name, value in classes]
        return "\n".join(lines)


def _percent(share):
    return "no images" if share is None else f"{100 * share:.2f} %"
