"""The strictness of the weight importer."""

import numpy as np
import pytest

from sdarts_tf import spaces
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.interop import torch_state


@pytest.fixture
def supernet():
    return spaces.get("s5").build_supernet(3, 2, 3)


def _state(model):
    """A random state dict in PyTorch's layout that fits the model."""
    random, state = np.random.RandomState(0), {}
    for entry in torch_state.entries(model):
        state |= entry.split(random.normal(size=tuple(entry.variable.shape)).astype(np.float32))
    return state


def test_round_trip(supernet):
    state = _state(supernet)
    torch_state.assign(supernet, state | {"stem.1.num_batches_tracked": np.array(3)})
    back = {}
    for entry in torch_state.entries(supernet):
        back |= entry.split(entry.variable.numpy())
    assert set(back) == set(state)
    for name, value in state.items():
        np.testing.assert_array_equal(back[name], value)


def test_every_variable_has_a_name(supernet):
    assert len(list(torch_state.entries(supernet))) == len(supernet.variables)


@pytest.mark.parametrize("change", ["missing", "unknown", "misshaped", "unequal copies"])
def test_what_does_not_fit_is_named_and_nothing_is_assigned(supernet, change):
    state, before = _state(supernet), supernet.stem.kernel.numpy()
    name = "cells.1._ops.3._ops.4.op.5.weight"
    if change == "missing":
        del state[name]
    elif change == "unknown":
        name = "cells.9.preprocess0.op.1.weight"
        state[name] = np.zeros(1, np.float32)
    elif change == "misshaped":
        state[name] = state[name][..., :3]
    else:
        name = "cells.0._ops.2._ops.0.1.running_mean"
        state[name] = state[name] + 1
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        torch_state.assign(supernet, state)
    np.testing.assert_array_equal(supernet.stem.kernel.numpy(), before)


@pytest.mark.parametrize("large_images", [False, True])
def test_size_of_a_network_is_read_off_its_state(large_images):
    genotype = published.get("c10_s5_pgd")
    options = {"auxiliary": True, "large_images": large_images}
    network = spaces.get("darts").build_network(genotype, 7, 4, 5, **options)
    rebuilt = torch_state.build_network(genotype, _state(network))
    torch_state.assign(rebuilt, _state(network))
    assert [v.shape for v in rebuilt.variables] == [v.shape for v in network.variables]
    with pytest.raises(InputError, match="not that of a derived network"):
        torch_state.build_network(genotype, {"classifier.bias": np.zeros(3)})
