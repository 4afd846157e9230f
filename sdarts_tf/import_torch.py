"""Turns official PyTorch weights into a checkpoint.

python -m sdarts_tf.import_torch --weights=weights.pt --genotype=c10_s5_pgd --out=DIR
"""

import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import ImportConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published


def load_state(path) -> dict:
    """The state dict in a PyTorch file, as NumPy arrays; the file cannot run code.

    Raises:
        InputError: PyTorch is not installed, or the file is not a state dict.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError("PyTorch is not installed; run pip install 'sdarts_tf[torch]'.") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name.removeprefix("module."): tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # torch raises what its pickle and zip readers raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--weights={path} is not a PyTorch state dict ({reason}); give a weights.pt of the official code."
        ) from error


def import_weights(config: ImportConfig) -> pathlib.Path:
    """Writes `genotype.json` and `checkpoints/` of the network that the weights belong to; returns the folder.

    Size and number of classes are read off the weights.

    Raises:
        InputError: the weights do not fit the genotype, or the folder is not empty.
    """
    if config.weights is None or config.genotype is None or config.out is None:
        raise InputError("--weights, --genotype and --out are all needed; --help explains them.")
    genotype = published.find(config.genotype)
    state = load_state(config.weights)

    command_line.import_tensorflow()
    from sdarts_tf.interop import torch_state
    from sdarts_tf.training.checkpoint import Checkpoints
    from sdarts_tf.training.run_directory import RunDirectory

    network = torch_state.build_network(genotype, state)
    torch_state.assign(network, state)
    directory = RunDirectory(config.out)
    directory.require_unused()
    directory.path.mkdir(parents=True, exist_ok=True)
    Checkpoints(directory.checkpoints, network=network).save(0)
    directory.write("genotype.json", genotype.to_json() + "\n")
    return directory.path


def main(config: ImportConfig) -> None:
    """Imports and says where to."""
    print(f"Checkpoint: {import_weights(config) / 'checkpoints'}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, ImportConfig, description=__doc__))
