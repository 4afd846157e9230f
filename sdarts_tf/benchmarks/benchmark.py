"""What a benchmark knows of the architectures of a space."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

from sdarts_tf.genotypes.genotype import Genotype


@dataclasses.dataclass(frozen=True)
class Record:
    """Accuracies of one trained architecture, 0 to 1; None where the benchmark does not know them, at most one.

    The validation accuracy may be that of a shorter training: of NAS-Bench-201 the test accuracy is after 200 epochs,
    the validation accuracy after 12.
    """

    test_accuracy: float | None
    valid_accuracy: float | None = None

    @property
    def accuracy(self) -> float:
        """By which architectures are compared: the test accuracy, the validation accuracy where that is not known."""
        return self.valid_accuracy if self.test_accuracy is None else self.test_accuracy


def add(records: dict[str, Record], name: str, record: Record) -> None:
    """Adds the record of an architecture; ValueError if it has another one already."""
    if records.setdefault(name, record) != record:
        raise ValueError(f"{name} has other accuracies in an earlier row")


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Look-up of the architectures of a space.

    Args:
        records: the benchmark's name of an architecture -> its record; not empty.
        name_of: function of a genotype -> the benchmark's name of it; InputError for a genotype of another space.

    Example:
        >>> benchmark = Benchmark({"a": Record(0.9), "b": Record(0.94, 0.8)}, lambda genotype: genotype)
        >>> benchmark.figures("a"), benchmark.rank("a")
        ({'true_test_accuracy': 0.9, 'regret': 0.04}, 2)
    """

    records: Mapping[str, Record]
    name_of: Callable[[Genotype], str]

    def __getitem__(self, genotype: Genotype) -> Record | None:
        """What is known of a genotype; None if the benchmark lacks it."""
        return self.records.get(self.name_of(genotype))

    @functools.cached_property
    def best_accuracy(self) -> float:
        """The best `Record.accuracy` of all architectures."""
        return max(record.accuracy for record in self.records.values())

    def rank(self, genotype: Genotype) -> int | None:
        """Place of a genotype among all architectures, 1 for the best; equals share one; None if it is lacking."""
        own = self[genotype]
        return own and 1 + sum(record.accuracy > own.accuracy for record in self.records.values())

    def figures(self, genotype: Genotype) -> dict[str, float]:
        """What a search records: `true_test_accuracy`, `true_valid_accuracy` and `regret`, where they are known.

        The validation accuracy may be that of a shorter training, as `Record` says. The regret is the best accuracy of
        all architectures minus this one's.
        """
        record = self[genotype]
        if record is None:
            return {}
        figures = {
            "true_test_accuracy": record.test_accuracy,
            "true_valid_accuracy": record.valid_accuracy,
            "regret": round(self.best_accuracy - record.accuracy, 6),
        }
        return {name: value for name, value in figures.items() if value is not None}
