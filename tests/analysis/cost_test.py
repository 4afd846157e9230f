"""Parameters and multiply-adds against the known ones, and the way latency is measured."""

import time

import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.analysis import cost
from sdarts_tf.genotypes import published

# Official parameter counts (network, auxiliary head) and multiply-adds in millions, at 36 channels and 20 cells.
GOLDEN = {
    "c10_s5_random": (10, 3_606_166, 476_426, 562.4),
    "c10_s5_pgd": (10, 3_344_806, 476_426, 526.7),
    "c100_s4_pgd": (100, 4_753_648, 545_636, 711.7),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_figures(name):
    classes, parameters, head, millions = GOLDEN[name]
    network = spaces.get("darts").build_network(published.get(name), classes, 36, 20, auxiliary=True)
    assert cost.count_parameters(network) == cost.Parameters(parameters, head)
    assert cost.multiply_adds(network, (32, 32, 3)) / 1e6 == pytest.approx(millions, abs=0.06)


def test_the_mobile_setting():
    network = spaces.get("darts").build_network(published.get("c10_s5_pgd"), 1000, 48, 14, large_images=True)
    assert cost.count_parameters(network) == cost.Parameters(4_768_864, 0)
    assert cost.multiply_adds(network, (224, 224, 3)) / 1e6 < 600  # the mobile setting's limit


def test_multiply_adds_of_every_kind_in_closed_form():
    def network(x):
        x = tf.nn.conv2d(x, tf.zeros([3, 3, 4, 8]), 2, "SAME")  # 8 x 8 x 8 outputs of 3 x 3 x 4
        x = tf.nn.depthwise_conv2d(x, tf.zeros([5, 5, 8, 1]), [1, 1, 1, 1], "SAME")  # 8 x 8 x 8 outputs of 5 x 5
        x = tf.nn.conv2d(x, tf.zeros([1, 7, 4, 6]), 1, "SAME")  # two groups: 8 x 8 x 6 outputs of 7 x 4
        return tf.matmul(tf.reduce_mean(x, [1, 2]), tf.zeros([6, 10]))  # 10 outputs of 6

    expected = 8 * 8 * 8 * 3 * 3 * 4 + 8 * 8 * 8 * 5 * 5 + 8 * 8 * 6 * 7 * 4 + 10 * 6
    assert cost.multiply_adds(network, (16, 16, 4)) == expected


def test_multiply_adds_grow_with_the_area_but_for_the_classifier():
    network = spaces.get("darts").build_network(published.get("c10_s5_random"), 10, 4, 3)
    small, large = (cost.multiply_adds(network, (side, side, 3)) for side in (16, 32))
    linear = 16 * 4 * 10
    assert large - linear == 4 * (small - linear)


def test_latency_is_the_median(monkeypatch):
    ticks = iter([0.0, *(0.0, 1.0), *(2.0, 7.0), *(10.0, 12.0)])  # the beginning, then every run's start and end
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    measured = cost.measure_latency(tf.identity, (2, 2, 3), 4, runs=3, seconds=1e9)
    assert measured == cost.Latency(batch_size=4, seconds=2.0, runs=3)


def test_latency_stops_after_its_time_but_not_before_three_runs():
    assert cost.measure_latency(tf.identity, (2, 2, 3), 1, runs=50, seconds=0.0).runs == 3


def test_the_device_is_described(monkeypatch):
    assert cost.describe_device().startswith("CPU, ")
    # A search in the same process sets it.
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    monkeypatch.setattr(cost, "usable_cores", lambda: 5)
    assert cost.describe_device() == "CPU, 5 threads"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    assert cost.describe_device() == "CPU, 1 thread"
