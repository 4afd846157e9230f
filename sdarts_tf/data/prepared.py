"""Any data set of tensorflow-datasets with one image and one class in each example. Imports tfds when it is asked."""

import dataclasses
from typing import Any

import numpy as np

from sdarts_tf.data import files, formats, records
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import InputError, RunError

_URL = "https://storage.googleapis.com/tfds-data"
_VALID = ("validation", "valid", "val", "dev")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set that is prepared on disk.

    Args:
        builder: of tensorflow-datasets.
        image, label: names of its features.
        splits: ours (`train`, `valid`, `test`) -> its names.
    """

    builder: Any
    image: str
    label: str
    splits: dict[str, str]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Height, width and channels of its images; None where they differ."""
        return tuple(self.builder.info.features[self.image].shape)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Its classes."""
        return tuple(self.builder.info.features[self.label].names)

    def count(self, split: str) -> int:
        """Number of images of a split, by our name."""
        return self.builder.info.splits[self.splits[split]].num_examples

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Images, uint8 `[n, H, W, C]`, and labels of a split, read into memory."""
        import tensorflow_datasets as tfds

        wanted = tfds.decode.PartialDecoding({self.image: True, self.label: True})
        try:
            dataset = self.builder.as_dataset(split=self.splits[split], decoders=wanted, batch_size=-1)
            record = tfds.as_numpy(dataset)
        except Exception as error:  # tfds raises what its many backends raise
            raise self._unreadable(error) from error
        return record[self.image], record[self.label]

    def photos(self, split: str, image_size: int, max_examples: int | None = None) -> FileExamples:
        """Where the images of a split lie in its files, to be decoded when they are needed."""
        shards = records.shards_of(self.builder.info, self.splits[split])
        options = {"image_size": image_size, "max_examples": max_examples, "image": self.image, "label": self.label}
        return records.index(shards, self.builder.info.features, **options)

    def _unreadable(self, error):
        return InputError(
            f"{self.builder.data_dir} is not readable by tensorflow-datasets ({formats.reason(error)}); prepare or "
            "copy it again."
        )


def find(name: str, data_dir: str | None) -> Prepared:
    """The data set, which is downloaded and prepared where it is not yet.

    Args:
        name: `NAME` or `NAME/CONFIG`, as for `tfds.load`.
        data_dir: where it lies or will lie; default `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.

    Raises:
        InputError: there is no such data set, it has no images with one class each, or there is no network.
        RunError: the download failed.
    """
    builder = _builder(name, files.root(data_dir))
    image, label = _features(name, builder.info.features)
    if not _has_examples(builder):
        _prepare(name, builder)
    known = [split for split, info in builder.info.splits.items() if info.num_examples]
    if "train" not in known:
        raise InputError(f"--dataset=tfds:{name} has the splits {', '.join(known)}, but needs train; name another.")
    valid = next((split for split in _VALID if split in known), None)
    splits = {"train": "train", "test": valid}
    if "test" in known:
        splits |= {"valid": valid, "test": "test"}
    return Prepared(builder, image, label, {ours: theirs for ours, theirs in splits.items() if theirs is not None})


def is_present(name: str, data_dir: str | None) -> bool:
    """Whether `find` would have nothing to download; the files may be damaged. Imports tfds where there is a folder.

    Raises:
        InputError: what lies there is no data set.
    """
    root = files.root(data_dir)
    return files.prepared(root / name.split("/")[0].split(":")[0]) and _has_examples(_builder(name, root))


def _has_examples(builder):
    return any(split.num_examples for split in (builder.info.splits or {}).values())


def _builder(name, root):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=str(root))
    except Exception as error:  # tfds raises what its many backends raise
        raise InputError(
            f"--dataset=tfds:{name} is no data set of tensorflow-datasets, nor is it prepared in {root} "
            f"({formats.reason(error)}); write tfds:NAME or tfds:NAME/CONFIG."
        ) from error


def _features(name, features):
    """Names of the image and of the class."""
    import tensorflow_datasets as tfds

    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    image = "image" if "image" in images else images[0] if len(images) == 1 else None
    label = "label" if "label" in labels else labels[0] if len(labels) == 1 else None
    if image is None or label is None or features[image].dtype != np.uint8:
        raise InputError(
            f"--dataset=tfds:{name} has {len(images)} images and {len(labels)} class labels in each example "
            f"({', '.join(features)}), but one image of uint8 and one class are needed; name another data set."
        )
    return image, label


def _prepare(name, builder):
    if not files.reachable(_URL):
        raise InputError(
            f"--dataset=tfds:{name} is not prepared in {builder.data_dir} and there is no network to download it; "
            "prepare it on a machine with network, copy the folder, and name the one above it by --data_dir."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # tfds raises what its many backends raise
        raise RunError(
            f"The download of tfds:{name} to {builder.data_dir} failed ({formats.reason(error)}); try again."
        ) from error
