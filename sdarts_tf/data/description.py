"""What a trained network must know of its data. Imports no TensorFlow."""

import dataclasses
import json
import pathlib

from sdarts_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class DataDescription:
    """The classes of a data set, and how its pixels become a network's input: `(pixel / 255 - mean) / std`.

    Args:
        name: as in `--dataset`.
        image_shape: height, width and channels of a network's input.
        label_names: the classes, in the order of their labels.
        mean, std: of each channel, of pixels in 0 to 1.
        photos: whether an image is the middle of a photo of any size, not a whole image.

    Example:
        >>> data = DataDescription("digits", (8, 8, 3), ("zero", "one"), (0.3,) * 3, (0.4,) * 3)
        >>> DataDescription.from_json(data.to_json()) == data
        True
    """

    name: str
    image_shape: tuple[int, int, int]
    label_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    photos: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def to_json(self) -> str:
        """Indented JSON, field by field."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "DataDescription":
        """The inverse of `to_json`; InputError for anything else."""
        try:
            record = json.loads(text)
            sequences = {name: tuple(record[name]) for name in ("image_shape", "label_names", "mean", "std")}
            name = str(record["name"])
            photos = record.get("photos", name in ("imagenet", "folder"))  # absent in older descriptions
            return cls(name=name, **sequences, photos=bool(photos))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The description of the data is damaged ({type(error).__name__}: {error}); train the network again."
            ) from error

    @classmethod
    def load(cls, path) -> "DataDescription":
        """Reads a file; InputError names it if it is missing or damaged."""
        try:
            return cls.from_json(pathlib.Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"Cannot read {path} ({error.strerror}); train the network again.") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
