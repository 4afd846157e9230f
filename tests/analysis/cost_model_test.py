"""Costs of mixtures and genotypes: exact for what is counted, fitted for what is measured, steered by a target."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.analysis import cost_model, cost_target, latency
from sdarts_tf.analysis.cost_model import CostModel, Size
from sdarts_tf.analysis.cost_places import candidates, places
from sdarts_tf.analysis.cost_target import CostTarget
from sdarts_tf.config import SearchConfig
from sdarts_tf.data import own
from sdarts_tf.errors import InputError
from sdarts_tf.layers import operations
from sdarts_tf.methods import target
from sdarts_tf.search import check
from sdarts_tf.spaces.base import Architecture
from sdarts_tf.spaces.tables import EDGES
from sdarts_tf.training.search_step import build_step

SIZE = Size(channels=4, cells=3, image_shape=(9, 8, 1), num_classes=5)


def random_mixture(space, seed):
    random = np.random.RandomState(seed)
    return {group: random.dirichlet(np.ones(columns), rows) for group, (rows, columns) in space.alpha_shapes().items()}


def tensors(mixture):
    return {group: tf.constant(shares, tf.float32) for group, shares in mixture.items()}


@pytest.fixture(scope="module")
def models():
    """Exact models of both kinds, by space and kind."""
    found = {name: spaces.get(name) for name in ("s3", "nasbench201")}
    return {
        (name, kind): cost_model.counted(kind, space, dataclasses.replace(SIZE, cells=1 if "nas" in name else 3))
        for name, space in found.items()
        for kind in ("params", "madds")
    }


@pytest.mark.parametrize("kind", ["params", "madds"])
@pytest.mark.parametrize("name", ["s3", "nasbench201"])
def test_the_cost_of_a_genotype_is_that_of_its_network(models, name, kind):
    """Odd sizes, one channel, other genotypes than the one from which the constant was found."""
    space, size = spaces.get(name), dataclasses.replace(SIZE, cells=1 if "nas" in name else 3)
    for seed in (11, 12):
        genotype = space.discretize(random_mixture(space, seed))
        assert models[name, kind].of(space, genotype) == cost_model.exact(kind, space, size, genotype)


def test_the_expected_cost_is_that_of_the_one_network_of_a_one_hot_mixture(models):
    space, model = spaces.get("nasbench201"), models["nasbench201", "madds"]
    mixture = random_mixture(space, 3)
    genotype = space.discretize(mixture)
    one_hot = space.one_hot(tensors(mixture), genotype)
    assert float(model.expected(space, one_hot)) == pytest.approx(model.of(space, genotype), rel=1e-6)


def test_the_expected_cost_is_the_mean_over_drawn_networks(models):
    """Of DARTS cells: two edges of each node by chance, operations by their shares, `none` left out."""
    space, model, random = spaces.get("s3"), models["s3", "params"], np.random.RandomState(0)
    mixture = random_mixture(space, 5)
    costs = []
    for _ in range(1500):
        drawn = {group: np.zeros_like(shares) for group, shares in mixture.items()}
        for group, shares in mixture.items():
            for row, share in enumerate(shares):
                drawn[group][row, random.choice(3, p=share * [0, 1, 1] / share[1:].sum())] = random.uniform(0.5, 1)
        costs.append(model.of(space, space.discretize(drawn)))
    assert float(model.expected(space, tensors(mixture))) == pytest.approx(np.mean(costs), rel=0.015)


def test_places_of_a_network():
    """Of 8 cells two reduce; the edges from their inputs have stride 2 and see maps twice as large."""
    found = places(spaces.get("s5"), 16, 8, (32, 32, 3))
    assert len(found) == 8 * 14
    reducing = [place for place in found if place.stride == 2]
    assert {(p.group, p.channels, p.height) for p in reducing} == {("reduce", 32, 32), ("reduce", 64, 16)}
    assert len(reducing) == 2 * 8  # two inputs, four nodes
    assert {(p.channels, p.height) for p in found if p.group == "normal"} == {(16, 32), (32, 16), (64, 8)}
    large = places(spaces.get("s5"), 16, 8, (224, 224, 3))
    assert large[0].height == 28


# The target.


@pytest.mark.parametrize("text", ["latency:3", "params", "params:", "params:x", "params:-1", "madds:nan", "madds:inf"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(ValueError, match=r"is no target; write latency_ms:X, params:X, madds:X, where X is above 0"):
        target.parse(text)
    with pytest.raises(InputError, match="is no target"):
        check(SearchConfig(target=text).completed())


def test_a_target_is_for_what_it_can_steer():
    for settings in ({"method": "adv+pc"}, {"method": "pdarts"}, {"strategy": "multi_worker"}):
        with pytest.raises(InputError, match="--target=params:9 is for darts, rs and adv on image cells"):
            check(SearchConfig(target="params:9", **settings).completed())
    with pytest.raises(InputError, match=r"--target is for DARTS cells and nasbench201; .* --space=nasbench1shot1_2"):
        check(SearchConfig(target="params:9", space="nasbench1shot1_2").completed())
    check(SearchConfig(target="params:9", space="nasbench201").completed())


def linear_target(value, weight=1.0, name="s2"):
    """Skip connections are free, separable convolutions cost 1 each."""
    space = spaces.get(name)
    tables = {
        group: np.array([[float(n.startswith("sep")) for n in row] for row in rows])
        for group, rows in candidates(space).items()
    }
    return CostTarget(CostModel("params", 2.0, tables), space, SIZE, value, weight)


def test_the_penalty_and_its_gradient():
    """Even shares: 8 of 16 kept edges are expected to be convolutions, and 2 cost 1 for nothing: (10 / 5 - 1)^2."""
    steered = linear_target(5.0, weight=3.0)
    mixture = {group: tf.fill([14, 2], 0.5) for group in ("normal", "reduce")}
    with tf.GradientTape() as tape:
        tape.watch(mixture)
        penalty = steered.penalty(mixture)
    assert float(penalty) == pytest.approx(3.0)
    slope = tape.gradient(penalty, mixture)["normal"].numpy()
    # By the convolution on an edge of node 5, two of whose five edges are kept; shares count in proportion.
    assert slope[13, 1] == pytest.approx(3 * 2 * (10 / 5 - 1) / 5 * 2 / 5 * 0.5, rel=1e-5)
    assert slope[13, 0] == pytest.approx(-slope[13, 1], rel=1e-5)


@pytest.mark.parametrize("value", [2.0, 6.0, 11.0, 18.0])
def test_the_genotype_hits_the_target_by_the_least_tilt(value):
    steered, mixture = linear_target(value), random_mixture(spaces.get("s2"), 7)
    genotype = steered.genotype(mixture)
    assert genotype.count("sep_conv_3x3") == value - 2
    figures = steered.figures(mixture)
    assert figures["cost"] == value
    plain = spaces.get("s2").discretize(mixture).count("sep_conv_3x3") + 2
    assert np.sign(figures["cost_tilt"]) == np.sign(plain - value)


def test_a_target_that_no_network_has_is_refused_before_the_search(models):
    """From the two cheapest edges of every node with their cheapest operations to the two most expensive ones."""
    config = SearchConfig(space="s3", target="params:10", target_channels=4, target_cells=3)
    parts = dict.fromkeys(("train", "test"), (np.zeros((5, 9, 8, 1), np.uint8), np.arange(5)))
    cheapest = dearest = models["s3", "params"].fixed
    for table in models["s3", "params"].tables.values():
        for node in (2, 3, 4, 5):
            arriving = table[[row for row, (_, target) in enumerate(EDGES) if target == node], 1:]  # without none
            cheapest += sorted(arriving.min(axis=1))[0] + sorted(arriving.min(axis=1))[1]
            dearest += sorted(arriving.max(axis=1))[-1] + sorted(arriving.max(axis=1))[-2]
    with pytest.raises(InputError, match=re.escape(f"cost {cheapest:.4g} to {dearest:.4g} here; change it")):
        cost_target.build(config, own.measured("own", parts, "abcde"))


def test_the_tilt_is_looked_for_once_for_each_mixture(monkeypatch):
    steered, asked = linear_target(11.0), []
    discretize = steered.space.discretize
    monkeypatch.setattr(steered.space, "discretize", lambda *a, **k: asked.append(1) or discretize(*a, **k))
    mixture = random_mixture(steered.space, 7)
    found = steered.genotype(mixture)
    once = len(asked)
    steered.figures({group: shares.copy() for group, shares in mixture.items()})
    assert 1 < once == len(asked) and steered.genotype(mixture) == found
    mixture["normal"] = mixture["normal"][::-1].copy()
    assert steered.genotype(mixture) != found and len(asked) > once


def test_without_a_need_the_genotype_is_the_usual_one():
    space, mixture = spaces.get("s2"), random_mixture(spaces.get("s2"), 8)
    usual = space.discretize(mixture)
    steered = linear_target(2.0 + usual.count("sep_conv_3x3"))
    assert steered.genotype(mixture) == usual and steered.figures(mixture)["cost_tilt"] == 0


def test_a_step_moves_alpha_towards_the_target():
    """With a weight that outweighs the loss, each step of alpha goes the way of the cost."""
    steered = linear_target(3.0, weight=1e6)
    config = SearchConfig(space="s2", method="darts", channels=2, cells=3)
    step = build_step(config, num_classes=3, penalty=steered.penalty)
    assert isinstance(step.architecture, Architecture)
    batch = tf.random.stateless_normal([4, 8, 8, 3], (0, 0)), tf.constant([0, 1, 2, 0])
    before = float(steered.model.expected(steered.space, step.architecture.mixture()))
    step._move_alpha(
        *(step._train_objective(step.supernet, batch, training=True) for _ in range(2)),
        tf.constant(0.0),
        tf.constant(0.1),
    )
    after = float(steered.model.expected(steered.space, step.architecture.mixture()))
    assert before - after > 0.2


# Latency.


def test_measured_latencies_are_fitted_to_networks_and_kept(monkeypatch, tmp_path):
    """A device on which a network takes 0.5 ms and 0.8 of what its operations take alone."""
    asked = []

    def answer(command, **options):
        request = json.loads(options["input"])
        asked.append(request)
        table = {latency.key(*shape): shape[1] * 0.01 * (shape[0] != "skip_connect") for shape in request["operations"]}
        alone = CostModel("latency_ms", 0.0, cost_model._summed(space, SIZE, lambda *s: table[latency.key(*s)]))
        sums = [alone.of(space, cost_model.Genotype.from_dict(record)) for record in request["networks"]]
        text = json.dumps({"operations": table, "networks": [0.5 + 0.8 * s for s in sums], "device": "a device"})
        return type("Done", (), {"stdout": f"noise\n{text}\n", "stderr": "", "returncode": 0})

    def answer_and_look(command, **options):
        assert not {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"} & options["env"].keys()
        return answer(command, **options)

    space = spaces.get("s2")
    monkeypatch.setenv("SDARTS_TF_CACHE", str(tmp_path))
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")  # as a sweep sets it
    monkeypatch.setattr(latency.subprocess, "run", answer_and_look)
    model = cost_model.measured(space, SIZE)
    assert (model.fixed, model.details["factor"]) == (pytest.approx(0.5), pytest.approx(0.8))
    assert model.details["largest_error"] < 1e-6 and model.doubt is None and model.details["device"] == "a device"
    # A convolution on the first edge of the only normal cell: 4 channels.
    assert model.tables["normal"][0].tolist() == [0.0, pytest.approx(0.8 * 0.04)]
    again = cost_model.measured(space, SIZE)
    assert len(asked) == 1 and again.to_dict() == model.to_dict()
    assert CostModel.from_dict(json.loads(json.dumps(model.to_dict()))).to_dict() == model.to_dict()
    monkeypatch.setattr(latency, "_VERSION", 0)
    cost_model.measured(space, SIZE)
    assert len(asked) == 2  # what was measured otherwise is not used
    for path in (tmp_path / "latency").iterdir():
        path.write_text("{")
    assert cost_model.measured(space, SIZE).fixed == pytest.approx(0.5) and len(asked) == 3
    monkeypatch.setenv("SDARTS_TF_CACHE", "/proc/nowhere")  # a folder that cannot be made costs a measurement
    assert cost_model.measured(space, SIZE).fixed == pytest.approx(0.5) and len(asked) == 4


def test_a_table_that_misses_networks_is_doubted():
    def doubt(**details):
        return CostModel("latency_ms", 0.0, {}, details).doubt

    assert doubt(factor=0.7, largest_error=0.1) is None and CostModel("params", 0.0, {}).doubt is None
    assert doubt(factor=0.7, largest_error=0.126).startswith("--target: the table misses the latency of a whole")
    assert "13%" in doubt(factor=0.7, largest_error=0.126)
    assert "explain nothing" in doubt(factor=0.0, largest_error=0.05)


@pytest.mark.parametrize(("name", "kind", "each"), [("conv_7x1_1x7", "Conv2D", 2), ("max_pool_3x3", "MaxPool", 1)])
def test_no_graph_leaves_out_an_operation(name, kind, each):
    """What remains of ten after Grappler."""
    from tensorflow.python.eager import context

    layers = [operations.build(name, 4, stride=1, affine=True) for _ in range(10)]
    function, x = tf.function(latency._applied), tf.random.stateless_normal([10, 8, 8, 4], (0, 0))
    context.enable_run_metadata()
    try:
        function(x, layers).numpy()
        graphs = context.context().export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    # Grappler may fuse one with what follows: _FusedConv2D.
    counts = [sum(node.op.endswith(kind) for node in graph.post_optimization_graph.node) for graph in graphs]
    assert max(counts) == 10 * each


def test_operations_are_measured_alone(monkeypatch):
    """Nothing for what does nothing; more for more pixels."""
    monkeypatch.setattr(latency, "_ROUND_SECONDS", 0.0)
    assert latency.operation_milliseconds("skip_connect", 4, 8, 8, 1) == pytest.approx(0, abs=1e-3)
    small, large = (latency.operation_milliseconds("sep_conv_5x5", 8, side, side, 1) for side in (2, 64))
    assert large > small >= 0
