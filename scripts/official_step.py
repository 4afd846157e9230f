"""The search step of the official PyTorch code on the CPU, for `benchmark_turns.py`.

Needs a checkout of github.com/xiangning-chen/SmoothDARTS and a Python with torch and numpy; that Python needs nothing
of this package. The step is the one of the official `train_search.py`: alpha by the first-order gradient, the
perturbation, the weights; with random images, on as many threads as there are cores for this process.

    torch/bin/python scripts/official_step.py SmoothDARTS --space=s5 --method=adv
"""

import argparse
import os
import sys
import time
import types
from unittest import mock

from benchmark_turns import take_turns

METHODS = {"darts": None, "rs": "Random_alpha", "adv": "Linf_PGD_alpha"}
EPSILON = 0.3


def import_official(checkout):
    """PyTorch and the parts of the official code, on the CPU, without what a step does not need."""
    sys.path.insert(0, checkout)
    for name in ("torchvision", "torchvision.transforms", "torchvision.datasets", "torchvision.datasets.utils"):
        sys.modules[name] = mock.MagicMock()
    for name in ("PIL", "PIL.Image"):
        sys.modules.setdefault(name, mock.MagicMock())
    try:
        import torch

        torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args, **kwargs: self
        from attacker import perturb
        from optimizers.darts.architect import Architect
        from sota.cnn.model_search import Network
        from sota.cnn.spaces import spaces_dict
    except ImportError as error:
        sys.exit(f"{checkout} is not a checkout of the official code, or a package is missing: {error}.")
    return torch, types.SimpleNamespace(architect=Architect, network=Network, perturb=perturb, spaces=spaces_dict)


def build(arguments, torch, official):
    """The step, a function of nothing."""
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    loss = torch.nn.CrossEntropyLoss()
    network = official.network(arguments.channels, 10, arguments.cells, loss, official.spaces[arguments.space])
    rates = types.SimpleNamespace(momentum=0.9, weight_decay=3e-4, arch_learning_rate=3e-4, arch_weight_decay=1e-3)
    architect = official.architect(network, rates)
    optimizer = torch.optim.SGD(network.parameters(), 0.025, momentum=rates.momentum, weight_decay=rates.weight_decay)
    perturbation = METHODS[arguments.method] and getattr(official.perturb, METHODS[arguments.method])
    batches = [
        (torch.randn(arguments.batch_size, 3, 32, 32), torch.randint(0, 10, (arguments.batch_size,))) for _ in range(2)
    ]

    def clear():
        optimizer.zero_grad()
        architect.optimizer.zero_grad()

    def step():
        (images, labels), valid = batches
        network.train()
        architect.step(images, labels, *valid, 0.025, optimizer, unrolled=False)
        clear()
        network.softmax_arch_parameters()
        if perturbation:
            perturbation(network, images, labels, EPSILON)
            clear()
        loss(network(images, updateType="weight"), labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimizer.step()
        network.restore_arch_parameters()

    return step


def main():
    """Reads the command line and takes turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("--space", default="s5", choices=["s1", "s2", "s3", "s4", "s5"])
    parser.add_argument("--method", default="darts", choices=sorted(METHODS))
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    arguments = parser.parse_args()
    imported = import_official(arguments.checkout)
    began = time.perf_counter()
    step = build(arguments, *imported)
    step()
    seconds = time.perf_counter() - began
    step()
    take_turns(lambda number: step(), seconds)


if __name__ == "__main__":
    main()
