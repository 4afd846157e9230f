"""What is in the SavedModel and what is not, and how it decodes files."""

import dataclasses
import io
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from sdarts_tf.config import RetrainConfig
from sdarts_tf.data import decoding, sources
from sdarts_tf.data.description import DataDescription
from sdarts_tf.data.folders import FileExamples
from sdarts_tf.errors import RunError
from sdarts_tf.genotypes import published
from sdarts_tf.interop import saved_model
from sdarts_tf.interop.comparison import Sample
from sdarts_tf.training import trained_network

SMALL = DataDescription("x", (4, 4, 3), ("a", "b"), (0.5,) * 3, (0.5,) * 3)


def encoded(pixels, kind="PNG", mode="RGB", **options):
    image, file = Image.fromarray(np.asarray(pixels, np.uint8)), io.BytesIO()
    image.convert(mode, palette=Image.Palette.ADAPTIVE).save(file, kind, **options)
    return file.getvalue()


def decode(*files, data=SMALL):
    return saved_model.decode(tf.constant(files), data).numpy()


def test_an_image_of_the_networks_size_is_untouched():
    pixels = np.random.RandomState(0).randint(0, 256, (2, 4, 4, 3))
    np.testing.assert_array_equal(decode(*map(encoded, pixels)), pixels)


def test_the_middle_of_a_wide_image_is_kept():
    pixels = np.zeros((4, 8, 3))
    pixels[:, :2], pixels[:, 6:] = 250, 250  # left and right of the middle square
    assert decode(encoded(pixels)).max() == 0
    pixels[:, 2] = 100
    assert decode(encoded(pixels))[0, :, 0].min() == 100


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (1, 1), (3, 9)])
def test_any_size_becomes_the_networks(shape):
    decoded = decode(encoded(np.full((*shape, 3), 77)))
    assert decoded.shape == (1, 4, 4, 3) and (decoded == 77).all()


def test_shrinking_averages():
    """Without antialiasing the stripes would alias to black or white."""
    stripes = np.zeros((64, 64, 3))
    stripes[:, ::2] = 200
    assert abs(decode(encoded(stripes)).astype(int) - 100).max() <= 15


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("JPEG", "L", {"quality": 100}),
        ("JPEG", "CMYK", {"quality": 100}),
        ("JPEG", "RGB", {"quality": 100}),
    ],
)
def test_kinds_of_color(kind, mode, options):
    """Grey with a bright corner: every kind can show it, and a negative would be noticed."""
    pixels = np.full((4, 4, 3), 60, np.uint8)
    pixels[:2, :2] = 220
    decoded = decode(encoded(pixels, kind, mode, **options))[0].astype(int)
    assert abs(decoded - pixels).max() <= 12
    assert decoded.shape == (4, 4, 3)


def test_red_stays_red_in_cmyk():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert abs(decode(encoded(red, "JPEG", "CMYK", quality=100)).astype(int) - red).max() <= 12


def test_photos_are_cut_out_as_in_evaluation(tmp_path):
    """Also the files that an export is compared on: as they lie on disk, of other sizes than the network's."""
    pixels = np.random.RandomState(0).randint(0, 256, (9, 14, 3))
    (tmp_path / "a.png").write_bytes(encoded(pixels))
    photos = dataclasses.replace(SMALL, name="folder", photos=True)
    examples = FileExamples(np.array([str(tmp_path / "a.png")]), np.zeros(1, np.int32), image_size=4)
    sample = Sample.of(lambda x: x[:, 0, 0], photos, examples)
    expected = decoding.center(tf.constant(pixels, tf.uint8), 4)[tf.newaxis]
    np.testing.assert_array_equal(sample.images, expected)
    np.testing.assert_array_equal(decode(*sample.encoded, data=photos), expected)
    assert (decode(*sample.encoded) != expected.numpy()).any()  # an image of CIFAR's kind has no margin


def test_a_damaged_file_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(encoded(np.zeros((4, 4, 3)))[:40])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A network with auxiliary head and drop path, and its SavedModel."""
    path = tmp_path_factory.mktemp("saved_model") / "1"
    data, config = sources.get("cifar10").description, RetrainConfig(channels=4, cells=3, auxiliary=True)
    network = trained_network.build(published.get("c10_s5_random"), config, data)
    saved_model.write(network, data, {"labels.txt": "0\n", "genotype.json": "{}"}, path)
    return network, path


def operations(path):
    """Types of all operations in the saved functions, but for the one that restores the weights."""
    proto = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    functions = proto.meta_graphs[0].graph_def.library.function
    return {node.op for f in functions if "restore" not in f.signature.name for node in f.node_def}


def test_no_trace_of_training(written):
    _, path = written
    kinds = operations(path)
    assert {"FusedBatchNorm", "Conv2D", "DecodeImage", "ReadVariableOp"} <= kinds
    # Drop path draws, gradients have kernels of their own, running statistics are assigned.
    assert {kind for kind in kinds if re.search("Random|Grad|Backprop|Assign", kind)} == set()


def test_weights_of_the_auxiliary_head_stay_behind(written):
    network, path = written
    in_head = len(network.auxiliary_head.variables)
    assert in_head > 0
    names = [name for name, _ in tf.train.list_variables(str(path / "variables/variables")) if "weights" in name]
    assert len(names) == len(network.variables) - in_head


def test_signatures_and_assets(written):
    _, path = written
    model = tf.saved_model.load(path)
    assert sorted(model.signatures) == ["serve_encoded", "serving_default"]
    (images,) = model.signatures["serving_default"].structured_input_signature[1].values()
    assert (images.name, images.dtype, images.shape.as_list()) == ("images", tf.uint8, [None, 32, 32, 3])
    (files,) = model.signatures["serve_encoded"].structured_input_signature[1].values()
    assert (files.name, files.dtype, files.shape.as_list()) == ("encoded_images", tf.string, [None])
    assert sorted(asset.name for asset in (path / "assets").iterdir()) == ["genotype.json", "labels.txt"]


def test_what_does_not_run_in_plain_tensorflow_is_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    sample = Sample(np.zeros((1, 8, 8, 3), np.uint8), [b""], np.zeros(1, np.int32), np.zeros((1, 10), np.float32))
    with pytest.raises(RunError, match=r"^The SavedModel does not run in plain TensorFlow \(.+\); nothing"):
        saved_model.run(tmp_path, sample)
