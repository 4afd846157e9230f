"""NAS-Bench-101: files of the official form, made here, and tables of hashes."""

import base64
import gzip
import json
import struct

import pytest
import tensorflow as tf

from sdarts_tf import benchmarks
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Edge, Genotype
from sdarts_tf.spaces import nasbench1shot1_cells
from sdarts_tf.spaces.nasbench101 import Module

SPACE = "nasbench1shot1_1"
POOL, CONV3, CONV1 = nasbench1shot1_cells.CANDIDATES


def _genotype(first, second):
    """Block 2 reads the input and block 1; the output reads both blocks."""
    edges = (Edge(first, 0, 1), Edge(second, 0, 2), Edge(second, 1, 2))
    return Genotype(SPACE, {"cell": edges}, {"cell": (1, 2)})


NAME = nasbench1shot1_cells.architecture(_genotype(CONV3, CONV1))
GOOD, BAD, MISSING = _genotype(CONV3, CONV1), _genotype(POOL, POOL), _genotype(CONV1, CONV1)


def _metrics(*evaluations):
    """A `ModelMetrics` message byte by byte: pairs of validation and test accuracy, with all other fields filled."""
    message = b""
    for valid, test in evaluations:
        doubles = ((1, 108.0), (2, 1e3), (3, 1.0), (4, valid), (5, test))
        body = b"".join(bytes([8 * number + 1]) + struct.pack("<d", value) for number, value in doubles)
        body += b"\x32\x05model"
        message += bytes([0x0A, len(body)]) + body
    # In lines of 76, as in the official file.
    return base64.encodebytes(message + b"\x10\x96\x01" + b"\x19" + struct.pack("<d", 2e3)).decode()


def _record(module, valid, test, *, epochs=108):
    """As the benchmark writes a training: measured at its start, half-way and at its end."""
    pruned = module.pruned()
    adjacency = "".join(str(entry) for row in pruned.matrix for entry in row)
    metrics = _metrics((0.1, 0.1), (valid / 2, test / 2), (valid, test))
    return json.dumps([pruned.hash(), epochs, adjacency, ",".join(pruned.operations), metrics]).encode()


def _write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.fixture
def official(tmp_path):
    good, bad = nasbench1shot1_cells.module(GOOD), nasbench1shot1_cells.module(BAD)
    chain = Module(((0, 1, 0), (0, 0, 1), (0, 0, 0)), ("input", CONV3, "output"))  # in no space
    return _write(
        tmp_path / "nasbench.tfrecord",
        [
            *(_record(good, valid, test) for valid, test in ((0.94, 0.93), (0.95, 0.94), (0.93, 0.95))),
            _record(good, 0.2, 0.1, epochs=4),
            b'["0", 108, null, null, null]',  # of no module of the space, so it is not looked at
            _record(chain, 0.99, 0.99),
            _record(bad, 0.8, 0.7),
        ],
    )


def test_official_records(official):
    """The end of a training counts, over 108 epochs; repeats are averaged; the best is the best of the space."""
    benchmark = benchmarks.load(official, SPACE, "cifar10")
    assert len(benchmark.records) == 2
    assert benchmark.figures(GOOD) == {"true_test_accuracy": 0.94, "true_valid_accuracy": 0.94, "regret": 0.0}
    assert benchmark.figures(BAD) == {"true_test_accuracy": 0.7, "true_valid_accuracy": 0.8, "regret": 0.24}
    assert (benchmark.rank(BAD), benchmark.rank(MISSING), benchmark.figures(MISSING)) == (2, None, {})
    with pytest.raises(InputError, match="has no module of the space nasbench1shot1_2"):
        benchmarks.load(official, "nasbench1shot1_2", "cifar10")
    with pytest.raises(InputError, match="has no accuracies on svhn; add --benchmark_dataset=cifar10"):
        benchmarks.load(official, SPACE, "svhn")


def test_an_isomorphic_cell_has_the_same_record(official):
    """Blocks 2 and 4 in place of 1 and 2, with vertices numbered otherwise."""
    edges = [("conv3x3-bn-relu", 0, 1), ("conv1x1-bn-relu", 0, 3), ("conv1x1-bn-relu", 1, 3)]
    moved = Genotype(SPACE, {"cell": tuple(Edge(*edge) for edge in edges)}, {"cell": (1, 3)})
    benchmark = benchmarks.load(official, SPACE, "cifar10")
    assert moved != GOOD and benchmark[moved] == benchmark[GOOD]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda record: b"[]", r"Record 1 of .* is damaged \(not enough values"),
        (lambda record: record[:-1], "Record 1 of .* is damaged"),
        (lambda record: b"[[], 108, null, null, null]", r"Record 1 of .* is damaged \(unhashable type"),
        (lambda record: json.dumps([*json.loads(record)[:4], None]).encode(), "Record 1 of .* is damaged"),
        (lambda record: json.dumps([*json.loads(record)[:4], "/w=="]).encode(), "are no protocol buffer"),
        (lambda record: json.dumps([*json.loads(record)[:4], ""]).encode(), "Record 1 of .*it has no measurements"),
    ],
)
def test_a_damaged_record_is_one_sentence(tmp_path, damage, message):
    record = _record(nasbench1shot1_cells.module(GOOD), 0.9, 0.9)
    path = _write(tmp_path / "nasbench.tfrecord", [damage(record), record])
    with pytest.raises(InputError, match=message):
        benchmarks.load(path, SPACE, "cifar10")


def test_a_damaged_or_missing_file_is_one_sentence(official):
    official.write_bytes(official.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"Record 7 of .* is damaged \(its end is missing\); get the file again"):
        benchmarks.load(official, SPACE, "cifar10")
    with pytest.raises(InputError, match=r"nowhere\.tfrecord cannot be read"):
        benchmarks.load(official.with_name("nowhere.tfrecord"), SPACE, "cifar10")


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_table_of_hashes(tmp_path, name):
    """Without test accuracies regret and rank are those of the validation accuracies; other modules do not count."""
    rows = [f"{nasbench1shot1_cells.architecture(genotype)},{valid}" for genotype, valid in ((GOOD, 0.9), (BAD, 0.8))]
    text = "\n".join(["\ufeffhash,valid_accuracy_108ep", *rows, rows[0], f"{'0' * 32},0.95"])
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    benchmark = benchmarks.load(path, SPACE, "cifar10")
    assert benchmark.figures(GOOD) == {"true_valid_accuracy": 0.9, "regret": 0.0}
    assert (benchmark.rank(GOOD), benchmark.rank(BAD), benchmark[MISSING]) == (1, 2, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; get the table again"),
        ("hash,accuracy\n", "is no table of NAS-Bench-101; it needs the columns 'hash' and 'test_accuracy_108ep' or"),
        (f"hash,valid_accuracy_108ep\n{NAME},0.5\n{NAME},0.6\n", "Row 2 of .*has other accuracies in an earlier row"),
        (f"hash,valid_accuracy_108ep,test_accuracy_108ep\n{NAME},.5,\n{'0' * 32},.5,.6\n", "Row 2 of .* in none"),
        ("hash,valid_accuracy_108ep\n1,0.5\n", "Row 1 of .* is damaged .it needs a hash and an accuracy"),
        (f"hash,valid_accuracy_108ep\n{'0' * 32},\n", "Row 1 of .* is damaged .it needs a hash and an accuracy"),
        (f"hash,valid_accuracy_108ep\n{'0' * 32},93\n", "Row 1 of .* is damaged .93 is no share"),
        ("hash,valid_accuracy_108ep\n", "has no module of the space"),
    ],
)
def test_a_damaged_table_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        benchmarks.load(path, SPACE, "cifar10")
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(f"hash,valid_accuracy_108ep\n{'0' * 32},0.9\n".encode())[:-12])
    with pytest.raises(InputError, match=r"table\.csv\.gz is damaged"):
        benchmarks.load(packed, SPACE, "cifar10")
