"""All that `sdarts_tf.evaluate` finds out about a trained language model, as JSON and as a table.

Imports no TensorFlow.
"""

import dataclasses
import json
import math


@dataclasses.dataclass(frozen=True)
class TextScores:
    """How well a language model predicts one text.

    Args:
        tokens: number of tokens that were predicted: all but the first of each stream.
        loss: cross entropy in nats per token.
        accuracy: share of the tokens that had the largest probability, 0 to 1.
    """

    tokens: int
    loss: float
    accuracy: float

    @property
    def perplexity(self) -> float:
        """The exponential of the loss."""
        return math.exp(self.loss)


@dataclasses.dataclass(frozen=True)
class TextEvaluation:
    """How good and how expensive a trained language model is.

    Args:
        dataset, unit: the texts, and what a token is.
        checkpoint, epoch: the weights, `"best"` or `"last"`, and the epoch after which they were saved.
        streams: in how many streams a text was read; published figures have 1.
        valid, test: the two texts.
        vocabulary: number of different tokens.
        parameters: of the model.
        tokens_per_second: while the test text was read.
        device: what that was measured on.

    Example:
        >>> scores = {"valid": TextScores(100, 4.0, 0.2), "test": TextScores(200, math.log(60), 0.25)}
        >>> weights = {"checkpoint": "best", "epoch": 9, "parameters": 123, "vocabulary": 10}
        >>> rest = {"streams": 1, "tokens_per_second": 800.0, "device": "CPU, 2 threads"}
        >>> evaluation = TextEvaluation(dataset="ptb", unit="words", **scores, **weights, **rest)
        >>> print(evaluation.to_table().splitlines()[3])
        test        60.00   4.0943    25.00 %         200
    """

    dataset: str
    unit: str
    checkpoint: str
    epoch: int
    streams: int
    valid: TextScores
    test: TextScores
    vocabulary: int
    parameters: int
    tokens_per_second: float
    device: str

    def to_json(self) -> str:
        """Indented JSON, field by field; each text also has its `perplexity`."""
        record = dataclasses.asdict(self)
        for name in ("valid", "test"):
            record[name]["perplexity"] = getattr(self, name).perplexity
        return json.dumps(record, indent=2) + "\n"

    def to_table(self) -> str:
        """The figures for people."""
        lines = [
            f"{self.dataset}, checkpoint {self.checkpoint} of epoch {self.epoch}",
            f"{'':6}{'perplexity':>11}{'loss':>9}{'accuracy':>11}{self.unit:>12}",
        ]
        for name in ("valid", "test"):
            scores = getattr(self, name)
            lines.append(
                f"{name:6}{scores.perplexity:11.2f}{scores.loss:9.4f}{100 * scores.accuracy:9.2f} %{scores.tokens:12,}"
            )
        lines.append(f"{self.parameters:,} parameters, {self.vocabulary:,} different {self.unit}")
        reading = "one stream" if self.streams == 1 else f"{self.streams} streams"
        lines.append(f"{self.tokens_per_second:,.0f} {self.unit}/s in {reading} ({self.device})")
        return "\n".join(lines)
