"""Records of ImageNet as tensorflow-datasets prepares them: a small data set of the same name, version and layout."""

import dataclasses
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from sdarts_tf.data import decoding, folders, records, sources
from sdarts_tf.data.folders import Distortion
from sdarts_tf.data.streams import Stream, sweep
from sdarts_tf.errors import InputError, RunError

TRAIN = "imagenet2012-train.tfrecord-0000{}-of-00003"


def identity(images, seed):
    return images


def stream(imagenet, distortion=None, batch_size=4):
    examples = dataclasses.replace(imagenet.load(), distortion=distortion)
    return Stream(examples, batch_size, identity, seed=3, purpose="training")


# What is read.


def test_prepared_records_are_a_source(imagenet):
    assert (imagenet.folder / TRAIN.format(2)).exists()
    source = sources.get("imagenet", str(imagenet.data_dir), image_size=32)
    assert (source.name, source.image_shape, source.label_names) == ("imagenet", (32, 32, 3), imagenet.classes)
    assert source.mean == (0.485, 0.456, 0.406) and source.flip


def test_records_are_found_without_a_flag(imagenet, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(imagenet.data_dir))
    assert len(sources.get("imagenet").load("train")) == 14


def test_class_folders_come_before_records(own):
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (own.data_dir / split / name).mkdir(parents=True)
            (own.data_dir / split / name / "1.JPEG").write_bytes(own.jpeg(1))
    assert sources.get("imagenet", str(own.data_dir)).label_names == ("cat", "dog")
    assert len(own.load()) == 2


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_image_is_there_as_it_was_with_its_label(imagenet, split):
    """Byte for byte, in the order of tensorflow-datasets."""
    name = records._SPLITS[split]
    examples = imagenet.load(split)
    numbers = imagenet.numbers_of(examples)
    assert sorted(numbers) == list(imagenet.splits[name]) and examples.labels.tolist() == [n % 3 for n in numbers]
    in_order = tfds.ReadConfig(interleave_cycle_length=1)
    builder = tfds.builder_from_directory(imagenet.folder)
    stored = builder.as_dataset(split=name, read_config=in_order)
    assert [int(record["file_name"].numpy().split(b".")[0]) for record in stored] == numbers


def test_the_first_images_need_only_the_first_files(own):
    first = own.numbers_of(own.load())[:3]
    for number in (1, 2):
        (own.folder / TRAIN.format(number)).unlink()
    examples = own.load(max_examples=3)
    assert own.numbers_of(examples) == first and len(examples.labels) == 3
    assert own.numbers_of(examples.part(1, 3)) == first[1:]


def test_pixels_equal_those_of_the_same_files(imagenet, tmp_path):
    examples = imagenet.load()
    for place, label in enumerate(examples.labels):
        folder = tmp_path / "train" / imagenet.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}.JPEG").write_bytes(examples.content(place))
    files = folders.read("train", tmp_path, image_size=16)
    places = [int(path.split("/")[-1].removesuffix(".JPEG")) for path in files.paths]
    same = dataclasses.replace(
        examples, paths=examples.paths[places], labels=examples.labels[places], spans=examples.spans[places]
    )
    for distortion in (None, Distortion()):
        of_files, of_records = (
            list(sweep(dataclasses.replace(photos, distortion=distortion), 5, identity, seed=(0, 1)))
            for photos in (files, same)
        )
        tf.nest.map_structure(np.testing.assert_array_equal, of_files, of_records)
    grey = next(place for place, number in enumerate(imagenet.numbers_of(examples)) if number % 4 == 0)
    image = decoding.decode(examples.content(grey)).numpy()
    assert image.shape[2] == 3 and (image == image[..., :1]).all()


# Order.


def test_a_sweep_covers_each_once(imagenet):
    examples = imagenet.load("test")
    batches = sweep(examples, 4, identity, seed=(0, 0))
    images, labels, counts = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert counts.tolist() == [1] * 6 + [0] * 2
    np.testing.assert_array_equal(labels[:6], examples.labels)
    for place, image in enumerate(images[:6]):
        np.testing.assert_array_equal(image, decoding.center(decoding.decode(examples.content(place)), 16))


def test_every_pass_is_another_permutation(imagenet):
    def order(batches):
        return [image.numpy().tobytes() for images, *_ in batches for image in images]

    first, second = (order(stream(imagenet, batch_size=7).batches(start, start + 2)) for start in (0, 2))
    stored = order(sweep(imagenet.load(), 14, identity, seed=(0, 0)))
    assert first != second and len(set(stored)) == 14
    assert sorted(first) == sorted(second) == sorted(stored)


def test_a_resumed_stream_goes_on_bit_for_bit(imagenet):
    sequential = list(stream(imagenet, Distortion()).batches(0, 5))[3:]
    for batch, expected in zip(stream(imagenet, Distortion()).batches(3, 5), sequential, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


# What a user reads.


def _flip_a_length(path):
    content = bytearray(path.read_bytes())
    content[5] = 1
    path.write_bytes(content)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _one_record_less(path):
    content = path.read_bytes()
    path.write_bytes(content[int.from_bytes(content[:8], "little") + 16 :])


def _garble(path):
    content = path.read_bytes()
    path.write_bytes(content[:12] + b"\xff" * 30 + content[42:])


DAMAGED = {
    "a truncated file": (
        TRAIN.format(1),
        _truncate,
        r"/\S+train.tfrecord-00001-of-00003 is damaged \(.*end is missing",
    ),
    "a wrong length": (TRAIN.format(0), _flip_a_length, r"-00000-of-00003 is damaged \(.*its end is missing"),
    "a record too few": (TRAIN.format(2), _one_record_less, r"-00002-of-00003 is damaged \(.* were written\); prepare"),
    "no record": (TRAIN.format(2), _garble, r"-00002-of-00003 is damaged \(.*\); prepare or copy it again"),
    "a missing file": (TRAIN.format(2), lambda path: path.unlink(), r"-00002-of-00003 is damaged \(FileNotFoundError"),
    "a broken description": (
        "dataset_info.json",
        lambda path: path.write_text("{"),
        r"/imagenet2012/5.1.0 is not readable by tensorflow-datasets \(.*\); prepare or copy it again",
    ),
    "no description": ("dataset_info.json", lambda path: path.unlink(), "is not readable by tensorflow-datasets"),
    "no features": ("features.json", lambda path: path.unlink(), "is not readable by tensorflow-datasets"),
    "classes missing": ("label.labels.txt", lambda path: path.write_text("n1\n"), "it names 1 of 3 classes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_sentence_that_names_the_place(own, name):
    file, damage, message = DAMAGED[name]
    damage(own.folder / file)
    with pytest.raises(InputError, match=message) as caught:
        own.load()
    assert "\n" not in str(caught.value)


def test_a_missing_split_is_named(empty):
    empty.prepare(["train"])
    with pytest.raises(InputError, match="has no images for validation; prepare it again with the archives"):
        empty.load("test")


def test_another_format_is_named(empty):
    empty.prepare(file_format="array_record")
    with pytest.raises(InputError, match="files of the format array_record, but only tfrecord is read"):
        empty.load()


def test_a_broken_image_is_named(own):
    examples = own.load()
    start, size = examples.spans[5]
    own.overwrite(examples, 5, b"x" * size)
    with pytest.raises(RunError, match=rf"^The image at byte {start} of {examples.paths[5]} cannot be decoded \(.*\)"):
        list(Stream(examples, 7, identity, seed=0, purpose="training").batches(0, 2))


def test_without_any_data_both_ways_are_named_at_once(tmp_path):
    (tmp_path / "imagenet2012" / "incomplete.X_5.1.0").mkdir(parents=True)
    code = f"""
import sys
from sdarts_tf.data import sources
try:
    sources.get("imagenet", {str(tmp_path)!r})
except ValueError as error:
    print(error)
print("tensorflow" in sys.modules, "tensorflow_datasets" in sys.modules)
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.monotonic() - start < 20
    sentence, imported = done.stdout.splitlines()
    assert sentence.startswith(f"ImageNet is not in {tmp_path}; name by --data_dir either the folder that holds train/")
    assert "tensorflow-datasets prepared imagenet2012/" in sentence and imported == "False False"
