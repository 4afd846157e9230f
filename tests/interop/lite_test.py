"""What is in the models for LiteRT."""

import re

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from sdarts_tf.data import sources
from sdarts_tf.data.augment import normalize
from sdarts_tf.errors import RunError
from sdarts_tf.interop import lite
from sdarts_tf.training import trained_network


def test_int8_computes_in_integers(trained_run):
    trained = trained_network.load(trained_run)
    images = sources.get("digits").load("train").images[:20]
    interpreter = Interpreter(model_content=lite.convert(trained.network, trained.files.data, images))
    taken = interpreter.get_input_details()[0]
    assert taken["dtype"] == np.uint8 and taken["shape_signature"].tolist() == [-1, 8, 8, 3]
    assert taken["quantization"] == (pytest.approx(1.0, abs=0.01), 0)  # a step is one level of a pixel
    # No kernel is float and no convolution's output. The converter may leave a mere rearrangement in float.
    outputs = {output["index"] for output in interpreter.get_output_details()}
    inner = [tensor for tensor in interpreter.get_tensor_details() if tensor["index"] not in outputs]
    floats = [tensor["name"] for tensor in inner if tensor["dtype"] == np.float32]
    assert [name for name in floats if not re.search(r"/(SpaceToDepth|split)", name)] == []


def test_an_int8_pixel_means_what_it_says_whatever_the_calibration_shows(trained_run, tmp_path):
    """From images of little contrast too, a step of the input is one level, and the answer to them is the network's."""
    trained = trained_network.load(trained_run)
    images = 50 + sources.get("digits").load("train").images[:20] // 2
    before = images.copy()
    (tmp_path / lite.INT8).write_bytes(lite.convert(trained.network, trained.files.data, images))
    np.testing.assert_array_equal(images, before)
    taken = Interpreter(str(tmp_path / lite.INT8)).get_input_details()[0]
    assert taken["quantization"] == (pytest.approx(1.0, abs=1e-6), 0)
    expected = trained.network(normalize(images, trained.files.data.mean, trained.files.data.std)).numpy()
    logits = lite.run(tmp_path / lite.INT8, images)["logits"]
    assert np.abs(logits - expected).max() < 0.1 * np.abs(expected).max()


def test_no_range_is_stretched_by_a_border(trained_run):
    """A maximum pool's border of the smallest float would make steps of 1e36, and LiteRT abort."""
    trained = trained_network.load(trained_run)
    assert trained.files.genotype.count("max_pool_3x3", "reduce") == 3
    images = sources.get("digits").load("train").images[:20]
    interpreter = Interpreter(model_content=lite.convert(trained.network, trained.files.data, images))
    steps = [tensor["quantization_parameters"]["scales"] for tensor in interpreter.get_tensor_details()]
    assert max(step.max() for step in steps if step.size) <= 1.01  # the pixels' own


def test_what_litert_lacks_is_one_sentence():
    """Noise at random needs an operation that LiteRT does not have."""
    data = sources.get("digits").description
    with pytest.raises(RunError, match=r"^This network cannot be converted to LiteRT \(.+\); export another format\.$"):
        lite.convert(lambda x: tf.random.stateless_normal([tf.shape(x)[0], 10], (0, 0)), data)
