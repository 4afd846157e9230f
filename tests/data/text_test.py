"""Texts, their vocabulary, and the windows of an epoch."""

import re
import zipfile

import numpy as np
import pytest

from sdarts_tf.data import text
from sdarts_tf.data.text import Windows
from sdarts_tf.data.vocabulary import Vocabulary, split
from sdarts_tf.errors import InputError

TEXTS = {"train": "the cat sat\n\n on  the mat\n", "valid": "a cat\n", "test": "the dog"}


def write(folder, pattern="{split}.txt", texts=TEXTS):
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in texts.items():
        path = folder / pattern.format(split=part)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def test_words_end_lines_and_characters_keep_everything():
    assert split(TEXTS["train"], "words") == ["the", "cat", "sat", "<eos>", "<eos>", "on", "the", "mat", "<eos>"]
    assert "".join(split(TEXTS["train"], "characters")) == TEXTS["train"]
    assert split("a\fb\x85c d", "words") == ["a", "b", "c", "d", "<eos>"]


def test_a_corpus_has_one_vocabulary_in_the_order_of_appearance(tmp_path):
    corpus = text.read("text", write(tmp_path))
    assert corpus.vocabulary.tokens == ("the", "cat", "sat", "<eos>", "on", "mat", "a", "dog")
    assert corpus.train.tolist() == [0, 1, 2, 3, 3, 4, 0, 5, 3]
    assert (corpus.valid.tolist(), corpus.test.tolist()) == ([6, 1, 3], [0, 7, 3])
    shorter = text.read("text", str(tmp_path), max_tokens=2)
    assert shorter.train.tolist() == [0, 1] and shorter.vocabulary == corpus.vocabulary
    assert shorter.checksum() != corpus.checksum() == text.read("text", str(tmp_path)).checksum()


def test_penn_treebank_is_found_in_its_folder_and_in_its_archive(tmp_path):
    pattern = "ptb.{split}.txt"
    plain = text.read("ptb", write(tmp_path / "plain", pattern))
    write(tmp_path / "inner" / "ptb", pattern)
    with zipfile.ZipFile(tmp_path / "ptb.zip", "w") as archive:
        for part in TEXTS:
            name = pattern.format(split=part)
            archive.write(tmp_path / "plain" / name, f"ptb/{name}")
    for place in ("inner", ".", "ptb.zip"):
        found = text.read("ptb", str(tmp_path / place))
        assert found.vocabulary == plain.vocabulary and found.train.tolist() == plain.train.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"valid\.txt is empty; put a text there\.$"),
        (b" \n\n", r"valid\.txt is empty; put a text there\.$"),
        (b"caf\xe9", r"valid\.txt is not UTF-8 \(byte 3 is 0xe9\); convert it, as with iconv\.$"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_sentence(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        text.read("text", write(tmp_path, texts=TEXTS | {"valid": content}))


def test_missing_texts_are_named(tmp_path):
    with pytest.raises(InputError, match=r"needs --data_dir, a folder with train\.txt, valid\.txt, test\.txt\.$"):
        text.read("text", None)
    with pytest.raises(InputError, match=r"put ptb\.train\.txt, .* there, ptb/ with these, or ptb\.zip\.$"):
        text.read("ptb", str(tmp_path))
    write(tmp_path)
    (tmp_path / "test.txt").unlink()
    with pytest.raises(InputError, match=r"^Cannot read .*test\.txt \(No such file or directory\); put the text there"):
        text.read("text", str(tmp_path))
    (tmp_path / "ptb.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"ptb\.zip is not an archive of ptb\.train\.txt, .*; copy it again\.$"):
        text.read("ptb", str(tmp_path))


def test_a_byte_order_mark_is_no_token(tmp_path):
    corpus = text.read("text", write(tmp_path, texts=TEXTS | {"train": b"\xef\xbb\xbfthe cat"}))
    assert corpus.vocabulary.tokens[0] == "the"


def test_a_vocabulary_that_is_damaged_or_does_not_know_a_word():
    vocabulary = Vocabulary("text", "words", ("a", "b"))
    with pytest.raises(InputError, match=r"^'c' is not among the 2 words of text; train on a text with it\.$"):
        vocabulary.encode(["a", "c"])
    with pytest.raises(InputError, match=r"^The vocabulary is damaged \(KeyError"):
        Vocabulary.from_json('{"name": "text"}')


def test_streams_are_consecutive_parts_of_the_text():
    rows = text.parallel(np.arange(1000), 7, "it")
    assert rows.shape == (142, 7)
    assert np.array_equal(rows.T.ravel(), np.arange(994))


def test_a_text_shorter_than_a_batch_is_refused():
    message = "it has 20 tokens, too few for 7 streams of at least 3; lower --batch_size or give a longer text."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        text.parallel(np.arange(20), 7, "it")
    assert len(text.parallel(np.arange(21), 7, "it")) == 3


def test_a_sweep_predicts_every_token_but_the_first_once():
    rows = text.parallel(np.arange(101, dtype=np.int32), 2, "it")
    windows = list(text.sweep(rows, 15))
    assert [bool(window.fresh) for window in windows] == [True, False, False, False]
    assert [int(window.length) for window in windows] == [15, 15, 15, 4]
    tokens, targets = (
        np.concatenate([getattr(window, name)[: window.length] for window in windows]) for name in ("tokens", "targets")
    )
    assert np.array_equal(tokens, rows[:-1]) and np.array_equal(targets, rows[1:])


@pytest.mark.parametrize("spread", [0.0, 5.0])
def test_the_windows_of_an_epoch_cover_the_text(spread):
    windows = Windows(1000, 35, seed=3, spread=spread)
    for epoch in range(20):
        starts, lengths = np.transpose(windows.epoch(epoch))
        assert starts[0] == 0 and np.array_equal(starts[1:], np.cumsum(lengths)[:-1])
        assert 997 <= starts[-1] + lengths[-1] <= 999 and lengths.min() >= 2
        allowed = (5, 55) if spread else (17, 35)
        assert allowed[0] <= lengths[:-1].min() and lengths[:-1].max() <= allowed[1]


def test_lengths_are_the_official_ones():
    """35 with probability 0.95, else 17; in training normal around 35 or 17.5, cut off towards zero."""
    fixed = np.concatenate([np.transpose(Windows(4000, 35, seed=1).epoch(e))[1][:-1] for e in range(100)])
    assert set(fixed) == {17, 35} and abs((fixed == 35).mean() - 0.95) < 0.01
    varied = np.concatenate([np.transpose(Windows(4000, 35, seed=1, spread=5.0).epoch(e))[1][:-1] for e in range(100)])
    assert abs(varied.mean() - (0.95 * 35 + 0.05 * 17.5 - 0.5)) < 0.2
    # The two normal laws in closed form: their spread, and that of the choice between them.
    assert abs(varied.std() - np.sqrt(25 + 0.05 * 0.95 * 17.5**2 + 1 / 12)) < 0.2


def test_windows_depend_on_seed_and_epoch_alone():
    first, second = Windows(900, 35, seed=1, spread=5.0), Windows(900, 35, seed=1, spread=5.0)
    assert second.epoch(3) == first.epoch(3) != first.epoch(2)
    assert Windows(900, 35, seed=2, spread=5.0).epoch(3) != first.epoch(3)


def test_steps_are_numbered_through_epochs_of_different_length():
    windows = Windows(900, 35, seed=1, spread=5.0)
    lengths = [len(windows.epoch(epoch)) for epoch in range(6)]
    assert len(set(lengths)) > 1
    assert [windows.first_step(epoch) for epoch in range(7)] == [0, *np.cumsum(lengths)]
    places = [(epoch, index) for epoch, length in enumerate(lengths) for index in range(length)]
    assert [Windows(900, 35, seed=1, spread=5.0).place(step) for step in range(len(places))] == places
