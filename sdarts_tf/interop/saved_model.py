"""A trained network as a SavedModel that needs nothing but TensorFlow."""

import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.data import decoding
from sdarts_tf.data.augment import normalize
from sdarts_tf.data.description import DataDescription
from sdarts_tf.errors import RunError
from sdarts_tf.interop.comparison import Sample, compare

RUNTIME = f"TensorFlow {tf.__version__}, in a process without sdarts_tf and Keras"


def classify(network: keras.Model, data: DataDescription):
    """The function of pixels `[N, H, W, 3]`, 0 to 255, to logits and probabilities, normalization included."""

    def function(images):
        logits = network(normalize(images, data.mean, data.std))
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return function


def decode(encoded_images, data: DataDescription):
    """Files of images as pixels of the network's size, as evaluation prepares them.

    Args:
        encoded_images: strings `[N]`, JPEG or PNG; they become RGB, or grey where the network's input is.
        data: the network's input, with 1 or 3 channels.

    Returns:
        uint8 `[N, H, W, 3]`.

    Example:
        >>> data = DataDescription("x", (4, 4, 3), ("a", "b"), (0.5,) * 3, (0.5,) * 3)
        >>> grey = tf.io.encode_png(tf.fill([10, 20, 1], tf.constant(7, tf.uint8)))
        >>> np.unique(decode(tf.stack([grey, grey]), data)).tolist()
        [7]
    """

    def one(encoded):
        image = decoding.decode(encoded, data.image_shape[2])
        return decoding.center(image, data.image_shape[0]) if data.photos else _fit(image, data.image_shape)

    return tf.map_fn(one, encoded_images, fn_output_signature=tf.TensorSpec(data.image_shape, tf.uint8))


def _fit(image, shape):
    """The middle of an image, as large as fits, at the network's size; an image of that size stays as it is."""
    sides, wanted = tf.cast(tf.shape(image)[:2], tf.float32), tf.constant(shape[:2], tf.float32)
    resized = tf.image.resize(image, tf.cast(tf.round(sides * tf.reduce_max(wanted / sides)), tf.int32), antialias=True)
    middle = tf.image.resize_with_crop_or_pad(resized, *shape[:2])
    return tf.saturate_cast(tf.round(middle), tf.uint8)


def write(network: keras.Model, data: DataDescription, files: dict[str, str], folder) -> None:
    """Writes the SavedModel.

    The signature `serving_default` takes `images`, uint8 `[N, H, W, 3]`; `serve_encoded` takes `encoded_images`,
    strings `[N]`. Both return `logits` and `probabilities` `[N, num_classes]`, `class_index` int32 and `label` `[N]`.

    Args:
        network: the trained one; drop path and auxiliary head do not get into the graph.
        data: classes, input and normalization.
        files: name -> text of what becomes an asset.
        folder: an empty one.
    """
    function = classify(network, data)

    def serve(images):
        outputs = function(images)
        index = tf.argmax(outputs["logits"], axis=1, output_type=tf.int32)
        return outputs | {"class_index": index, "label": tf.gather(tf.constant(data.label_names), index)}

    images = tf.TensorSpec([None, *data.image_shape], tf.uint8, name="images")
    encoded = tf.TensorSpec([None], tf.string, name="encoded_images")
    module = tf.Module()
    module.serve = tf.function(serve, input_signature=[images])
    module.serve_encoded = tf.function(lambda encoded_images: serve(decode(encoded_images, data)), [encoded])
    # Exactly what the graph reads: the auxiliary head's weights stay behind.
    module.weights = list(module.serve.get_concrete_function().graph.variables)
    with tempfile.TemporaryDirectory() as assets:
        module.assets = []
        for name, text in files.items():
            path = pathlib.Path(assets) / name
            path.write_text(text, encoding="utf-8")
            module.assets.append(tf.saved_model.Asset(str(path)))
        signatures = {"serving_default": module.serve, "serve_encoded": module.serve_encoded}
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # gradients stay behind too
        tf.saved_model.save(module, str(folder), signatures=signatures, options=options)


# Runs in a process of its own: python -c CODE saved_model images.npy outputs.npz encoded_image...
_RUN_WITHOUT_US = """
import sys

sys.modules["sdarts_tf"] = sys.modules["keras"] = None  # whoever imports them fails

import pathlib
import numpy as np
import tensorflow as tf

tf.config.set_visible_devices([], "GPU")
model = tf.saved_model.load(sys.argv[1])
images = np.load(sys.argv[2])
encoded = np.array([path.read_bytes() for path in sorted(pathlib.Path(sys.argv[4]).iterdir())], object)
inputs = {"serving_default": ("images", images), "serve_encoded": ("encoded_images", encoded)}
outputs = {}
for name, (argument, values) in inputs.items():
    for start in range(0, len(values), 64):
        batch = tf.constant(values[start : start + 64])
        for output, value in model.signatures[name](**{argument: batch}).items():
            value = value.numpy().astype(str) if value.dtype == tf.string else value.numpy()
            outputs.setdefault(f"{name}/{output}", []).append(value)
np.savez(sys.argv[3], **{key: np.concatenate(values) for key, values in outputs.items()})
"""


def run(folder, sample: Sample) -> dict[str, dict[str, np.ndarray]]:
    """Outputs of every signature, computed by plain TensorFlow in a process without this package and without Keras.

    Args:
        folder: the SavedModel.
        sample: images, as pixels for `serving_default` and as files for `serve_encoded`.

    Returns:
        signature -> output -> array `[n, ...]`.

    Raises:
        RunError: it cannot be loaded or run there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, answered, encoded = (pathlib.Path(scratch) / name for name in ("images.npy", "outputs.npz", "encoded"))
        np.save(given, sample.images)
        encoded.mkdir()
        for number, content in enumerate(sample.encoded):
            (encoded / f"{number:09}").write_bytes(content)
        command = [sys.executable, "-c", _RUN_WITHOUT_US, pathlib.Path(folder).resolve(), given, answered, encoded]
        process = subprocess.run([*map(str, command)], cwd=scratch, capture_output=True, text=True)
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
            raise RunError(f"The SavedModel does not run in plain TensorFlow ({last[0]}); nothing was exported.")
        outputs = {}
        with np.load(answered) as arrays:
            for key in arrays:
                signature, output = key.split("/")
                outputs.setdefault(signature, {})[output] = arrays[key]
    return outputs


def export(network: keras.Model, data: DataDescription, files: dict[str, str], folder, sample: Sample):
    """Writes the SavedModel, runs it, and compares each of its signatures with the network; a list of `Comparison`.

    Raises:
        RunError: it does not run, or an output contradicts another one.
    """
    write(network, data, files, folder)
    outputs = run(folder, sample)
    for signature, output in outputs.items():
        index = output["logits"].argmax(axis=1)
        if (index != output["class_index"]).any() or (np.array(data.label_names)[index] != output["label"]).any():
            raise RunError(f"The labels of signature {signature} are not those of its logits; nothing was exported.")
    return [compare(name, RUNTIME, sample, output) for name, output in outputs.items()]


def interface(data: DataDescription) -> str:
    """How the model is called, in Markdown."""
    height, width, _ = data.image_shape
    return f"""A SavedModel for TensorFlow and TensorFlow Serving, without sdarts_tf and Keras. N is free.

| signature | input | outputs |
|---|---|---|
| `serving_default` | `images`: uint8 [N, {height}, {width}, 3], RGB | as below |
| `serve_encoded` | `encoded_images`: string [N], JPEG or PNG files of any size, grey and CMYK too | as below |

Outputs: `logits` and `probabilities` float32 [N, {data.num_classes}], `class_index` int32 [N], `label` string [N].
Assets: `labels.txt`, one class a line in the order of the logits, and `genotype.json`.

```python
model = tf.saved_model.load("1")
answer = model.signatures["serve_encoded"](encoded_images=tf.constant([open("image.jpg", "rb").read()]))
print(answer["label"].numpy()[0].decode(), answer["probabilities"].numpy()[0].max())
```"""
