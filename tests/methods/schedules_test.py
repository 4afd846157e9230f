"""Schedules in closed form."""

import itertools
import math

import pytest

from sdarts_tf.config import RetrainConfig
from sdarts_tf.errors import InputError
from sdarts_tf.methods import schedules
from sdarts_tf.training.retrain_loop import learning_rate


def test_the_recipe_of_cifar():
    """.025 cosine to 0 by epoch: the last of 600 epochs has .025 * (1 + cos(599 pi / 600)) / 2."""
    config = RetrainConfig().completed("images")
    rates = [learning_rate(config, epoch) for epoch in range(600)]
    assert rates[0] == 0.025 and rates[300] == pytest.approx(0.0125)
    assert rates[150] == pytest.approx(0.025 * (1 + math.sqrt(0.5)) / 2)
    assert rates[599] == pytest.approx(0.025 * math.sin(math.pi / 1200) ** 2, rel=1e-6)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))


def test_the_recipe_of_imagenet():
    """.5 (E - 5 - e) / (E - 5), in the last five epochs .5 (E - e) / (5 (E - 5)), in the first five .5 (e + 1) / 5."""
    config = RetrainConfig(learning_rate=0.5, schedule="linear", epochs=250, warmup_epochs=5).completed("images")
    expected = [0.5 * (epoch + 1) / 5 for epoch in range(5)]
    expected += [0.5 * (245 - epoch) / 245 for epoch in range(5, 245)]
    expected += [0.5 * (250 - epoch) / (5 * 245) for epoch in range(245, 250)]
    assert [learning_rate(config, epoch) for epoch in range(250)] == pytest.approx(expected, rel=1e-12)


def test_warm_up_comes_before_either_schedule():
    config = RetrainConfig(learning_rate=0.1, warmup_epochs=4, epochs=8).completed("images")
    rates = [learning_rate(config, epoch) for epoch in range(8)]
    cosine = [0.05 * (1 + math.cos(math.pi * epoch / 8)) for epoch in range(4, 8)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, *cosine])


def test_the_slow_end_continues_the_steep_part():
    """Epochs 244 and 245 have the same value: the steep part's last step is shared by the last five epochs."""
    schedule = schedules.slow_end(1.0, 250)
    assert schedule(244) == schedule(245) == pytest.approx(1 / 245)
    assert schedule(249) == pytest.approx(1 / 245 / 5)


def test_a_linear_schedule_without_a_steep_part_is_refused():
    with pytest.raises(
        InputError, match=r"^--schedule=linear needs more than 5 epochs, not 5; add some or use cosine\.$"
    ):
        RetrainConfig(schedule="linear", epochs=5)
    assert learning_rate(RetrainConfig(schedule="linear", epochs=6, learning_rate=1.0), 1) == 1.0
