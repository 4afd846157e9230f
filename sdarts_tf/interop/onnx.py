"""A trained network as an ONNX model."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.data.description import DataDescription
from sdarts_tf.errors import RunError
from sdarts_tf.interop.comparison import Sample, compare
from sdarts_tf.interop.saved_model import classify

MODEL = "model.onnx"
_OPSET = 17  # of 2022: most runtimes know it


def convert(network: keras.Model, data: DataDescription) -> bytes:
    """A model of `images`, uint8 `[N, H, W, 3]`, to `logits` and `probabilities`, normalization included.

    Raises:
        RunError: the network has an operation that ONNX lacks.
    """
    import tf2onnx

    specification = [tf.TensorSpec([None, *data.image_shape], tf.uint8, name="images")]
    function = tf.function(classify(network, data), input_signature=specification)
    try:
        model, _ = tf2onnx.convert.from_function(function, specification, opset=_OPSET)
    except Exception as error:  # the converter raises what its many stages raise
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"This network cannot be converted to ONNX ({reason}); export another format.") from error
    return model.SerializeToString()


def run(path, images) -> dict[str, np.ndarray]:
    """Logits and probabilities of `images`, uint8 `[n, H, W, 3]`, computed by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = ["logits", "probabilities"]
    batches = [session.run(names, {"images": images[start : start + 64]}) for start in range(0, len(images), 64)]
    return {name: np.concatenate(values) for name, values in zip(names, zip(*batches, strict=True), strict=True)}


def export(network, data: DataDescription, files: dict[str, str], folder, sample: Sample):
    """Writes the model and `files` into `folder`, runs it, and compares it with the network; a list of `Comparison`."""
    from onnxruntime import __version__ as version

    folder = pathlib.Path(folder)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / MODEL).write_bytes(convert(network, data))
    return [compare(MODEL, f"onnxruntime {version}", sample, run(folder / MODEL, sample.images))]


def interface(data: DataDescription) -> str:
    """How the model is called, in Markdown."""
    height, width, _ = data.image_shape
    return f"""`{MODEL}`, operator set {_OPSET}. Input: `images`, uint8 [N, {height}, {width}, 3], RGB; N is free.
Outputs: `logits` and `probabilities` float32 [N, {data.num_classes}]. `labels.txt` has the classes in their order.

```python
session = onnxruntime.InferenceSession("{MODEL}")
logits, probabilities = session.run(["logits", "probabilities"], {{"images": images}})
```"""
