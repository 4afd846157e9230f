"""Data sets by name: what is found, in which order, and what a user reads when nothing is there."""

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from sdarts_tf.data import files, sources
from sdarts_tf.errors import InputError, RunError

LAYOUTS = [
    *[(name, layout) for name in ("cifar10", "cifar100") for layout in ("npz", "binary", "python")],
    ("svhn", "npz"),
    ("svhn", "mat"),
]
ARCHIVES = {
    "cifar10": ["cifar-10-batches-bin", "cifar-10-batches-py"],
    "cifar100": ["cifar-100-binary", "cifar-100-python"],
    "svhn": ["train_32x32.mat", "test_32x32.mat"],
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """No test may look for the network, whatever machine it runs on."""

    def refuse(*arguments, **options):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def same(examples, part):
    np.testing.assert_array_equal(examples.images, part[0])
    np.testing.assert_array_equal(examples.labels, part[1])
    return True


def test_import_and_refusal_need_no_tensorflow(tmp_path):
    program = (
        "import sys; from sdarts_tf.data import files, sources; files.reachable = lambda url: False\n"
        f"try: sources.get('cifar10').load('train', {str(tmp_path)!r})\n"
        "except ValueError: print([name for name in sys.modules if name.startswith('tensorflow')])\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout == "[]\n"


def test_known_names():
    assert list(sources.SOURCES) == ["digits", "cifar10", "cifar100", "svhn"]
    assert all(sources.get(name).name == name for name in sources.SOURCES)
    assert [source.num_classes for source in sources.SOURCES.values()] == [10, 10, 100, 10]
    assert [source.flip for source in sources.SOURCES.values()] == [False, True, True, True]
    with pytest.raises(InputError, match="--dataset=mnist is unknown; choose from digits, cifar10, cifar100, svhn"):
        sources.get("mnist")


def test_class_names_are_in_official_order():
    names = sources.get("cifar100").label_names
    assert list(names) == sorted(set(names))
    assert names[0] == "apple" and names[23] == "cloud" and names[99] == "worm"
    assert sources.get("cifar10").label_names[3] == "cat"


def test_unknown_split():
    with pytest.raises(InputError, match="no split 'valid'; choose train or test"):
        sources.get("digits").load("valid")


def test_digits_split_and_constants():
    source = sources.get("digits")
    train, test = source.load("train"), source.load("test")
    assert train.images.shape == (1437, 8, 8, 3) and test.images.shape == (360, 8, 8, 3)
    assert train.images.max() == 255 and train.images.min() == 0
    # Stratified: every class has its share of 20 % in the test part.
    shares = np.bincount(test.labels) / (np.bincount(test.labels) + np.bincount(train.labels))
    np.testing.assert_allclose(shares, 0.2, atol=0.005)
    everything = np.concatenate([train.images, test.images])
    assert everything.sum() == 3 * np.rint(load_all_digits() * 255 / 16).sum()
    np.testing.assert_allclose((train.images / 255).mean((0, 1, 2)), source.mean, atol=5e-5)
    np.testing.assert_allclose((train.images / 255).std((0, 1, 2)), source.std, atol=5e-5)
    np.testing.assert_array_equal(source.load("train").labels, train.labels)


def load_all_digits():
    from sklearn.datasets import load_digits

    return load_digits().images


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_files_are_found(name, layout, split, writers, parts, tmp_path):
    expected = parts(name)
    writers[layout](tmp_path, name, expected)
    assert same(sources.get(name).load(split, str(tmp_path)), expected[split])


@pytest.mark.parametrize(("name", "layout"), [pair for pair in LAYOUTS if pair[1] in ("binary", "python")])
def test_data_dir_may_be_the_unpacked_archive_itself(name, layout, writers, parts, tmp_path, monkeypatch):
    expected = parts(name)
    writers[layout](tmp_path, name, expected)
    folder = next(tmp_path.iterdir())
    assert same(sources.get(name).load("train", str(folder)), expected["train"])
    monkeypatch.chdir(folder)
    assert same(sources.get(name).load("train", "."), expected["train"])


def test_svhn_in_its_own_folder_and_with_one_split(writers, parts, tmp_path):
    expected = parts("svhn")
    (tmp_path / "svhn").mkdir()
    writers["mat"](tmp_path / "svhn", "svhn", {"train": expected["train"]})
    assert same(sources.get("svhn").load("train", str(tmp_path)), expected["train"])
    with pytest.raises(InputError, match=r"svhn/test_32x32\.mat is missing"):
        sources.get("svhn").load("test", str(tmp_path))


def test_npz_comes_before_archives(writers, parts, tmp_path):
    expected = parts("cifar10")
    writers["npz"](tmp_path, "cifar10", expected)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    assert same(sources.get("cifar10").load("train", str(tmp_path)), expected["train"])


def test_incomplete_archive_is_refused_whole(writers, parts, tmp_path):
    writers["binary"](tmp_path, "cifar10", parts("cifar10"))
    (tmp_path / "cifar-10-batches-bin" / "data_batch_5.bin").unlink()
    with pytest.raises(InputError, match=r"data_batch_5\.bin is missing"):
        sources.get("cifar10").load("train", str(tmp_path))


def test_data_dir_must_be_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"--data_dir=.*nowhere is not a folder; name the one that holds svhn"):
        sources.get("svhn").load("train", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_without_files_or_network_the_ways_out_are_named(name, tmp_path):
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        sources.get(name).load("train", str(tmp_path))
    assert time.monotonic() - began < 5
    prepared = {"svhn": "svhn_cropped"}.get(name, name)
    words = [str(tmp_path), f"{name}.npz", "x_train", *ARCHIVES[name], f"{prepared}/", "--data_dir"]
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_default_folder_is_that_of_tensorflow_datasets(writers, parts, tmp_path, monkeypatch):
    expected = parts("cifar10")
    writers["npz"](tmp_path, "cifar10", expected)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert same(sources.get("cifar10").load("test"), expected["test"])
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match=r"is not under .*home/tensorflow_datasets and there is no network"):
        sources.get("cifar10").load("test")


def test_a_name_server_that_hangs_counts_as_no_network(monkeypatch):
    released = threading.Event()

    def hang(*arguments, **options):
        released.wait(20)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", hang)
    began = time.monotonic()
    assert not files.reachable("http://example.invalid/file", seconds=0.2)
    assert time.monotonic() - began < 2
    released.set()


def test_a_download_that_fails_is_a_run_error(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(*arguments, **options):
        assert options["download"] and options["data_dir"] == str(tmp_path)
        raise ConnectionError("reset\nby peer")

    monkeypatch.setattr(tfds, "load", fail)
    monkeypatch.setattr(files, "reachable", lambda url: True)
    with pytest.raises(RunError, match=r"download of cifar10 to .* failed .*reset by peer.*; try again"):
        sources.get("cifar10").load("train", str(tmp_path))


def prepare(folder, name, version, parts):
    """A folder as tensorflow-datasets prepares it."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=tfds.features.FeaturesDict(
            {"image": tfds.features.Image(shape=(32, 32, 3)), "label": tfds.features.ClassLabel(num_classes=10)}
        ),
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices({"image": images, "label": labels.astype(np.int64)})
            for split, (images, labels) in parts.items()
        },
        data_dir=str(folder),
        disable_shuffling=True,
    )


@pytest.mark.parametrize(
    ("name", "prepared", "version"), [("cifar10", "cifar10", "3.0.2"), ("svhn", "svhn_cropped", "3.1.0")]
)
def test_prepared_tensorflow_datasets_are_read_without_network(name, prepared, version, parts, tmp_path, monkeypatch):
    expected = parts(name)
    prepare(tmp_path, prepared, version, expected)
    for split in ("train", "test"):
        assert same(sources.get(name).load(split, str(tmp_path)), expected[split])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert len(sources.get(name).load("train")) == 40


def test_damaged_prepared_folder_is_an_input_error(parts, tmp_path):
    prepare(tmp_path, "cifar10", "3.0.2", parts("cifar10"))
    next(tmp_path.glob("**/dataset_info.json")).write_text("{")
    with pytest.raises(InputError, match="cifar10 is not readable by tensorflow-datasets"):
        sources.get("cifar10").load("train", str(tmp_path))


def test_unfinished_preparation_is_not_read(tmp_path):
    folder = tmp_path / "cifar10" / "incomplete.Y0CQ65_3.0.2"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match="no network"):
        sources.get("cifar10").load("train", str(tmp_path))
