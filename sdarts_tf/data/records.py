"""ImageNet as tensorflow-datasets prepares it: where in its record files each image lies. Imports no TensorFlow.

A TFRecord file can only be read in its order, but it is not compressed: the bytes of a JPEG lie in it as in a file of
their own. So all records are read once, one after the other, and of each only the place of its image and its label are
kept, some 40 bytes. From then on an image is a span of a file, read when a batch needs it, and everything that holds
for photos in class folders holds here too: any order, any part, and a resumed run that is the same bit for bit. A
shuffle buffer would mix less, and to resume would mean to read again all that was seen before.
"""

import concurrent.futures
import os
import pathlib
import re
import sys
from collections.abc import Iterator

import numpy as np

from sdarts_tf.data import files, formats
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import InputError

NAME = "imagenet2012"
_SPLITS = {"train": "train", "test": "validation"}
# Each file is read from its beginning to its end; disks and networks serve a few at a time faster than one.
_FILES_AT_ONCE = 8


def class_names(data_dir) -> tuple[str, ...]:
    """The classes, as tensorflow-datasets names them: WordNet's identifiers, such as `n01440764`.

    Args:
        data_dir: the folder that holds `imagenet2012/`; default `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.

    Raises:
        InputError: nothing is prepared there, or what is there is damaged.
    """
    return _described(_newest_version(data_dir), lambda info: _names(info.features["label"]))


def read(split: str, data_dir, *, image_size: int, max_examples: int | None = None) -> FileExamples:
    """Where the images of one split lie, in the order of the records, which tensorflow-datasets has mixed.

    All records that are asked for are read once: minutes for the 147 GB of ImageNet's training images.

    Args:
        split: `"train"`, or `"test"`, which is ImageNet's validation split.
        data_dir: as for `class_names`.
        image_size: side of the square that a network sees, in pixels.
        max_examples: only the first ones; files without any of them are not read.

    Raises:
        InputError: the split is missing or damaged; the sentence names the file.
    """
    folder = _newest_version(data_dir)
    features, shards = _described(folder, lambda info: (info.features, shards_of(info, _SPLITS[split])))
    return index(shards, features, image_size=image_size, max_examples=max_examples)


def index(
    shards, features, *, image_size: int, max_examples: int | None = None, image="image", label="label"
) -> FileExamples:
    """Where the images lie in the files of a split.

    Args:
        shards: as `shards_of` returns them.
        features: of the data set.
        image_size, max_examples: as for `read`.
        image, label: names of the features.

    Raises:
        InputError: a file is damaged; the sentence names it.
    """
    needed, count = [], 0
    for path, length in shards:
        if max_examples is None or count < max_examples:
            needed.append((path, length))
            count += length
    with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        found = pool.map(lambda shard: _index(*shard, features, image, label), needed)
        table = np.concatenate(list(_with_progress(found, len(needed))))
    # One text per file, not per image.
    paths = np.repeat(np.array([path for path, _ in needed], object), [length for _, length in needed])
    examples = FileExamples(paths, table[:, 2].astype(np.int32), image_size, spans=table[:, :2])
    return examples.part(0, max_examples)


def _newest_version(data_dir):
    """The folder of the newest version; one that tensorflow-datasets has not finished has another name."""
    root = files.root(data_dir)
    versions = [path for path in (root / NAME).glob("*") if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    if not versions:
        raise InputError(
            f"ImageNet is not in {root}; name by --data_dir either the folder that holds train/<class>/<image> and "
            f"val/<class>/<image>, or the one in which tensorflow-datasets prepared {NAME}/ from the official archives."
        )
    return max(versions, key=lambda path: tuple(map(int, path.name.split("."))))


def _described(folder, question):
    """What tensorflow-datasets knows of a prepared folder."""
    import tensorflow_datasets as tfds

    try:
        return question(tfds.builder_from_directory(str(folder)).info)
    except InputError:
        raise
    except Exception as error:  # tfds raises what its many backends raise
        raise InputError(
            f"{folder} is not readable by tensorflow-datasets ({formats.reason(error)}); prepare or copy it again."
        ) from error


def _names(label):
    if len(label.names) != label.num_classes:
        raise ValueError(f"it names {len(label.names)} of {label.num_classes} classes")
    return tuple(label.names)


def shards_of(info, split: str) -> list[tuple[str, int]]:
    """Paths and numbers of records of a split's files.

    Raises:
        InputError: there are none, or they are no TFRecord files.
    """
    if split not in info.splits or not info.splits[split].num_examples:
        raise InputError(
            f"{info.data_dir} has no images for {split}; prepare it again with the archives of the training and of the "
            "validation images."
        )
    if info.file_format.value != "tfrecord":
        raise InputError(
            f"{info.data_dir} holds files of the format {info.file_format.value}, but only tfrecord is read; prepare "
            "it again in that format."
        )
    paths = [os.fspath(path) for path in info.splits[split].filepaths]
    return list(zip(paths, info.splits[split].shard_lengths, strict=True))


def _index(path, length, features, image_key, label_key):
    """First byte, number of bytes and label of each image of a file, int64 `[length, 3]`."""
    import tensorflow_datasets as tfds

    decoders, rows = {image_key: tfds.decode.SkipDecoding()}, []
    try:
        for start, record in contents(path):
            example = features.deserialize_example_np(record, decoders=decoders)
            image, label = example[image_key], int(example[label_key])
            if not 0 <= label < features[label_key].num_classes:
                raise ValueError(f"a label is {label}")
            rows.append((start + record.index(image), len(image), label))
        if len(rows) != length:
            raise ValueError(f"it holds {len(rows)} images, but {length} were written")
    except Exception as error:  # protocol buffers and tfds raise many kinds for a damaged record
        raise InputError(f"{path} is damaged ({formats.reason(error)}); prepare or copy it again.") from error
    return np.array(rows, np.int64).reshape(-1, 3)


def contents(path) -> Iterator[tuple[int, bytes]]:
    """The first byte and the content of each record of a TFRecord file; check sums are not looked at.

    Raises:
        ValueError: the file ends inside a record.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord; a record is its length, a check sum of the length,
    its content and a check sum of the content.
    """
    with pathlib.Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while file.tell() < size:
            length = int.from_bytes(file.read(12)[:8], "little")
            start = file.tell()
            if start + length + 4 > size:
                raise ValueError("its end is missing")
            yield start, file.read(length)
            file.seek(4, os.SEEK_CUR)


def _with_progress(results, count):
    """The results as they come; whoever watches a terminal sees how many there will be."""
    import rich.console
    import rich.progress

    options = {"total": count, "transient": True, "disable": not sys.stderr.isatty()}
    console = rich.console.Console(stderr=True)
    return rich.progress.track(results, "Looking through the records", console=console, **options)
