"""A trained network for LiteRT (TensorFlow Lite): in float32, and in int8 with ranges from real images."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.data.description import DataDescription
from sdarts_tf.errors import RunError
from sdarts_tf.interop.comparison import Sample, compare
from sdarts_tf.interop.saved_model import classify

FLOAT, INT8 = "float32.tflite", "int8.tflite"


def convert(network: keras.Model, data: DataDescription, calibration=None) -> bytes:
    """A model with one signature: `images` `[N, H, W, 3]`, pixels of 0 to 255, to `logits` and `probabilities`.

    Args:
        network: the trained one.
        data: the network's input; normalization becomes part of the model.
        calibration: uint8 images `[n, H, W, 3]` from which the ranges of an int8 model are taken; its `images` are
            uint8, and all that it computes is in integers, though the converter now and then leaves a rearrangement of
            values in float32. None makes a float32 model, whose `images` are float32.

    Raises:
        RunError: the network has an operation that LiteRT lacks.
    """
    specification = tf.TensorSpec([None, *data.image_shape], tf.float32, name="images")
    module = tf.Module()  # the converter keeps the signature only of what it can save
    module.serve = tf.function(classify(network, data), input_signature=[specification])
    concrete = module.serve.get_concrete_function()
    module.weights = list(concrete.graph.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        images = _with_all_levels(calibration).astype(np.float32)
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    try:
        return converter.convert()
    except Exception as error:  # the converter raises what its many stages raise
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"This network cannot be converted to LiteRT ({reason}); export another format.") from error


def _with_all_levels(images):
    """A copy in which two corners of the first image are black and white, so that a step of the input is one level."""
    images = images.copy()
    images[0, 0, 0], images[0, -1, -1] = 0, 255
    return images


def run(path, images) -> dict[str, np.ndarray]:
    """Logits and probabilities of `images`, uint8 `[n, H, W, 3]`, computed by LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    taken = interpreter.get_input_details()[0]
    outputs = {}
    for start in range(0, len(images), 64):
        batch = images[start : start + 64].astype(taken["dtype"])
        interpreter.resize_tensor_input(taken["index"], batch.shape)
        for name, value in interpreter.get_signature_runner()(images=batch).items():
            outputs.setdefault(name, []).append(value)
    return {name: np.concatenate(values) for name, values in outputs.items()}


def export(network, data: DataDescription, files: dict[str, str], folder, sample: Sample, calibration, allowed_drop):
    """Writes both models and `files` into `folder`, runs them, and compares them with the network.

    Returns:
        A list of `Comparison`; the int8 model may lose `allowed_drop` of accuracy.
    """
    from ai_edge_litert import __version__ as version

    folder = pathlib.Path(folder)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    comparisons = []
    for name, images, drop in ((FLOAT, None, None), (INT8, calibration, allowed_drop)):
        (folder / name).write_bytes(convert(network, data, images))
        outputs = run(folder / name, sample.images)
        comparisons.append(compare(name, f"LiteRT {version}", sample, outputs, allowed_drop=drop))
    return comparisons


def interface(data: DataDescription) -> str:
    """How the models are called, in Markdown."""
    height, width, _ = data.image_shape
    return f"""Models for LiteRT, each with one signature. N is free: resize the input before a call with another.

| file | input | outputs |
|---|---|---|
| `{FLOAT}` | `images`: float32 [N, {height}, {width}, 3], RGB, 0 to 255 | as below |
| `{INT8}` | `images`: uint8 [N, {height}, {width}, 3], RGB | as below, computed in int8 |

Outputs: `logits` and `probabilities` float32 [N, {data.num_classes}]. `labels.txt` has the classes in their order.

```python
interpreter = ai_edge_litert.interpreter.Interpreter("{INT8}")
answer = interpreter.get_signature_runner()(images=images)
```"""
