"""Text as numbers: the tokens of a corpus. Imports no TensorFlow."""

import dataclasses
import json
import pathlib

import numpy as np

from sdarts_tf.errors import InputError

END = "<eos>"  # stands at the end of every line of words


def split(text: str, unit: str) -> list[str]:
    """The tokens of a text: words between blanks, with `END` after each line; or characters, line breaks included.

    Example:
        >>> split("to be\\nor not", "words")
        ['to', 'be', '<eos>', 'or', 'not', '<eos>']
        >>> split("a b", "characters")
        ['a', ' ', 'b']
    """
    if unit == "characters":
        return list(text)
    # Not splitlines, which also splits at page breaks and other rare characters.
    lines = text.removesuffix("\n").split("\n")
    return [token for line in lines for token in (*line.split(), END)]


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What a language model must know of its text.

    Args:
        name: of the data set, as in `--dataset`.
        unit: of a token, `"words"` or `"characters"`.
        tokens: all different tokens; a token's number is its place.

    Example:
        >>> vocabulary = Vocabulary("text", "words", ("to", "be", "<eos>"))
        >>> vocabulary.encode(["be", "to"]).tolist()
        [1, 0]
        >>> Vocabulary.from_json(vocabulary.to_json()) == vocabulary
        True
    """

    name: str
    unit: str
    tokens: tuple[str, ...]

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens) -> np.ndarray:
        """The numbers of tokens, int32; InputError names one that is not in the vocabulary."""
        numbers = {token: number for number, token in enumerate(self.tokens)}
        try:
            return np.array([numbers[token] for token in tokens], np.int32)
        except KeyError as error:
            raise InputError(
                f"{error.args[0]!r} is not among the {len(self)} {self.unit} of {self.name}; train on a text with it."
            ) from error

    def to_json(self) -> str:
        """Indented JSON, field by field."""
        return json.dumps(dataclasses.asdict(self), indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """The inverse of `to_json`; InputError for anything else."""
        try:
            record = json.loads(text)
            return cls(str(record["name"]), str(record["unit"]), tuple(map(str, record["tokens"])))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The vocabulary is damaged ({type(error).__name__}: {error}); train the model again."
            ) from error

    @classmethod
    def load(cls, path) -> "Vocabulary":
        """Reads a file; InputError names it if it is missing or damaged."""
        try:
            return cls.from_json(pathlib.Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"Cannot read {path} ({error.strerror}); train the model again.") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
