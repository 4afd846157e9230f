"""Corpora of three texts, and the windows of truncated backpropagation. Imports no TensorFlow.

Source: `sota/rnn/data.py`, `utils.py`, `train_search.py` and `train.py` of the official code.
"""

import bisect
import dataclasses
import functools
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sdarts_tf.data.vocabulary import Vocabulary, split
from sdarts_tf.errors import InputError

SPLITS = ("train", "valid", "test")
# Data set -> the file of a split.
FILES = {"ptb": "ptb.{split}.txt", "text": "{split}.txt"}
NAMES = tuple(FILES)


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """Three texts as numbers of one vocabulary, which has the tokens of all three, as officially.

    Args:
        vocabulary: the tokens.
        train, valid, test: int32 `[tokens]`.
    """

    vocabulary: Vocabulary
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    def checksum(self) -> int:
        """32 bits that change with the tokens to train on or their order."""
        return zlib.crc32(self.train.tobytes())


def read(name: str, data_dir: str | None, unit: str = "words", max_tokens: int | None = None) -> Corpus:
    """The corpus of a data set.

    Args:
        name: one of `NAMES`.
        data_dir: folder with the three files; for `ptb` also one with `ptb/` or `ptb.zip`, or the archive itself.
        unit: `"words"` or `"characters"`.
        max_tokens: keep only the first tokens of the training text; the vocabulary stays that of the whole.

    Raises:
        InputError: a file is missing, empty, or not UTF-8.
    """
    if data_dir is None:
        raise InputError(f"--dataset={name} needs --data_dir, a folder with {', '.join(_file_names(name))}.")
    texts = {part: split(_decoded(content, path), unit) for part, (path, content) in _contents(name, data_dir).items()}
    tokens = tuple(dict.fromkeys(token for part in SPLITS for token in texts[part]))
    vocabulary = Vocabulary(name, unit, tokens)
    train, valid, test = (vocabulary.encode(texts[part]) for part in SPLITS)
    return Corpus(vocabulary, train[:max_tokens], valid, test)


def _file_names(name):
    return [FILES[name].format(split=part) for part in SPLITS]


def _contents(name, data_dir):
    """Split -> where its text lies, for errors, and its bytes."""
    folder = pathlib.Path(data_dir).expanduser()
    names = dict(zip(SPLITS, _file_names(name), strict=True))
    for archive in (folder, folder / f"{name}.zip"):
        if archive.is_file():
            return _archived(archive, names)
    for place in (folder, folder / name):
        if (place / names["train"]).is_file():
            return {part: (place / file, _read(place / file)) for part, file in names.items()}
    alternatives = f", {name}/ with these, or {name}.zip" if name != "text" else ""
    raise InputError(
        f"--data_dir={data_dir} holds no text for --dataset={name}; put {', '.join(names.values())} "
        f"there{alternatives}."
    )


def _archived(archive, names):
    try:
        with zipfile.ZipFile(archive) as file:
            members = {pathlib.PurePosixPath(member).name: member for member in file.namelist()}
            return {part: (f"{name} in {archive}", file.read(members[name])) for part, name in names.items()}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{archive} is not an archive of {', '.join(names.values())} ({error}); copy it again."
        ) from error


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}); put the text there.") from error


def _decoded(content, path):
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start} is {content[error.start]:#04x}); convert it, as with iconv."
        ) from error
    if not text.strip():
        raise InputError(f"{path} is empty; put a text there.")
    return text


def parallel(tokens: np.ndarray, batch_size: int, what: str) -> np.ndarray:
    """A text cut into `batch_size` equally long streams that are read side by side, `[rows, batch_size]`.

    What does not fill the last row is left out.

    Args:
        tokens: `[n]`.
        batch_size: number of streams.
        what: of what the tokens are, for the error.

    Raises:
        InputError: a stream would have fewer than three tokens.

    Example:
        >>> parallel(np.arange(7), 2, "the text").tolist()
        [[0, 3], [1, 4], [2, 5]]
    """
    rows = len(tokens) // batch_size
    if rows < 3:
        raise InputError(
            f"{what} has {len(tokens)} tokens, too few for {batch_size} streams of at least 3; lower --batch_size or "
            "give a longer text."
        )
    return np.ascontiguousarray(tokens[: rows * batch_size].reshape(batch_size, rows).T)


class Window(NamedTuple):
    """What one step sees of parallel streams; all windows of a run have one shape.

    Args:
        tokens: int32 `[longest, N]`, of which the first `length` rows count.
        targets: the tokens that follow them.
        length: number of time steps, a scalar.
        fresh: whether the hidden state starts from zero, as at the start of an epoch.
    """

    tokens: np.ndarray
    targets: np.ndarray
    length: np.ndarray
    fresh: np.ndarray


def window(rows: np.ndarray, start: int, length: int, longest: int, *, fresh: bool) -> Window:
    """The `length` rows from `start` on, and the rows one later; at most as many as there are.

    Example:
        >>> cut = window(np.array([[0], [1], [2]], np.int32), 1, 5, 4, fresh=False)
        >>> cut.tokens.ravel().tolist(), cut.targets.ravel().tolist(), int(cut.length)
        ([1, 0, 0, 0], [2, 0, 0, 0], 1)
    """
    length = min(length, len(rows) - 1 - start)
    padded = np.zeros((2, longest, rows.shape[1]), np.int32)
    padded[0, :length], padded[1, :length] = rows[start : start + length], rows[start + 1 : start + 1 + length]
    return Window(padded[0], padded[1], np.int32(length), np.bool_(fresh))


def sweep(rows: np.ndarray, bptt: int) -> Iterator[Window]:
    """All tokens once, in windows of `bptt` rows, the last of which may be shorter."""
    for start in range(0, len(rows) - 1, bptt):
        yield window(rows, start, bptt, bptt, fresh=start == 0)


class Windows:
    """The windows of a training, epoch after epoch; those of an epoch depend on the seed and its number alone.

    A window has `bptt` rows with probability 0.95, else half as many. `spread` makes the lengths vary around these with
    that standard deviation, at least 5 and at most `bptt + 20`. An epoch ends where fewer than two targets are left.

    Args:
        rows: number of rows of the streams, at least 3.
        bptt: usual number of rows, at least 4.
        seed: of the draws.
        spread: standard deviation of the lengths, in rows.

    Example:
        >>> windows = Windows(100, 35, seed=1)
        >>> windows.epoch(0)
        ((0, 35), (35, 17), (52, 35), (87, 12))
        >>> windows.first_step(1), windows.place(5)
        (4, (1, 1))
    """

    def __init__(self, rows: int, bptt: int, *, seed: int, spread: float = 0.0):
        self.rows, self.bptt, self.seed, self.spread = rows, bptt, seed, spread
        self.longest = bptt + 20 if spread else bptt
        self._first_steps = [0]
        self.epoch = functools.lru_cache(maxsize=4)(self._epoch)

    def first_step(self, epoch: int) -> int:
        """Number of the steps before an epoch, which is counted from 0."""
        while len(self._first_steps) <= epoch:
            self._first_steps.append(self._first_steps[-1] + len(self._epoch(len(self._first_steps) - 1)))
        return self._first_steps[epoch]

    def place(self, step: int) -> tuple[int, int]:
        """The epoch of a step, and its number there."""
        epoch = 0
        while self.first_step(epoch + 1) <= step:
            epoch = max(epoch + 1, bisect.bisect_right(self._first_steps, step) - 1)
        return epoch, step - self._first_steps[epoch]

    def _epoch(self, epoch):
        """(start, length) of every window of an epoch."""
        random = np.random.default_rng((self.seed, epoch))
        shortest = 5 if self.spread else self.bptt // 2
        count = -(-self.rows // shortest)
        usual = np.where(random.random(count) < 0.95, self.bptt, self.bptt / 2)
        drawn = random.normal(usual, self.spread).astype(int)  # towards zero, as officially
        lengths = np.clip(drawn, shortest, self.longest)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        lengths = np.minimum(lengths, self.rows - 1 - starts)
        return tuple(zip(starts[lengths > 1].tolist(), lengths[lengths > 1].tolist(), strict=True))
