"""When an exported model counts as equal to the network."""

import dataclasses

import numpy as np
import pytest
import scipy.special

from sdarts_tf.errors import RunError
from sdarts_tf.interop.comparison import Sample, compare


def sample(logits, labels):
    logits = np.asarray(logits, np.float32)
    return Sample(np.zeros((len(labels), 1, 1, 3), np.uint8), [b""] * len(labels), np.asarray(labels), logits)


def outputs(logits):
    logits = np.asarray(logits, np.float32)
    return {"logits": logits, "probabilities": scipy.special.softmax(logits, axis=1)}


def test_figures_in_closed_form():
    compared = compare("m", "r", sample([[0, 2], [8, 0], [0, 1]], [1, 1, 0]), outputs([[0, 2], [0, 4], [0, 1]]))
    assert compared.images == 3
    assert compared.logit_difference == 8 / 8  # relative to the largest logit
    assert compared.probability_difference == pytest.approx(scipy.special.expit(8) - scipy.special.expit(-4), rel=1e-6)
    assert compared.agreement == pytest.approx(2 / 3)
    assert (compared.network_accuracy, compared.accuracy) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_small_logits_are_compared_absolutely():
    assert compare("m", "r", sample([[0, 0.5]], [0]), outputs([[0, 0.25]])).logit_difference == 0.25


@pytest.mark.parametrize("change, allowed", [(0.0, True), (5e-5, True), (3e-4, False), (-3e-4, False), (np.nan, False)])
def test_float_models_must_be_equal(change, allowed):
    compared = compare("model.x", "runtime 1", sample([[0.0, 1.0]], [1]), outputs([[0.0, 1.0 + change]]))
    if allowed:
        compared.require()
    else:
        with pytest.raises(RunError, match=r"^model\.x differs from the network by .* in runtime 1, and 1e-04 "):
            compared.require()


@pytest.mark.parametrize("wrong, allowed", [(0, True), (2, True), (3, False)])
def test_int8_may_lose_some_accuracy(wrong, allowed):
    logits = np.eye(2)[[0] * 100]
    given = logits.copy()
    given[:wrong] = given[:wrong, ::-1]
    compared = compare("int8", "r", sample(logits, [0] * 100), outputs(given), allowed_drop=0.02)
    if allowed:
        compared.require()
    else:
        with pytest.raises(RunError, match=r"int8 has an accuracy of 0\.9700 and the network one of 1\.0000"):
            compared.require()


def test_int8_may_also_gain():
    compared = compare("int8", "r", sample(np.eye(2)[[0]], [1]), outputs(np.eye(2)[[1]]), allowed_drop=0.0)
    compared.require()
    assert dataclasses.replace(compared, allowed_drop=None).probability_difference > 0.1
