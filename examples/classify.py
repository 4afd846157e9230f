"""Classifies image files by an exported SavedModel, with nothing but TensorFlow.

python examples/classify.py exports/digits/1 image.png photo.jpg
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf


def main() -> None:
    """Prints a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="folder of a version, as sdarts_tf.export prints it")
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="JPEG or PNG files of any size")
    arguments = parser.parse_args()
    try:
        encoded = [path.read_bytes() for path in arguments.files]
        model = tf.saved_model.load(str(arguments.model))
        answer = model.signatures["serve_encoded"](encoded_images=tf.constant(encoded))
    except OSError as error:
        sys.exit(str(error))
    except tf.errors.InvalidArgumentError:
        sys.exit(f"One of {', '.join(map(str, arguments.files))} is no image; give JPEG or PNG files.")
    for path, label, probabilities in zip(arguments.files, answer["label"], answer["probabilities"], strict=True):
        print(f"{path}: {label.numpy().decode()} ({100 * probabilities.numpy().max():.1f} %)")


if __name__ == "__main__":
    main()
