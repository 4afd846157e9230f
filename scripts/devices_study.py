"""What two devices change in a search, with and without synchronized batch normalization: one JSON line for each run.

    python scripts/devices_study.py --method=adv --epochs=10

Searches the digits on S2 on one device and on two logical CPU devices, with the same batches, starts and noise. Printed
are the last epoch's figures and how far alpha has come from the one device's.
"""

import argparse
import json
import tempfile

from sdarts_tf import command_line

RUNS = (("one_device", False), ("mirrored", True), ("mirrored", False))


def searched(arguments, strategy, sync_batch_norm, folder):
    """The last line of a search's metrics, and its alpha."""
    import numpy as np
    import tensorflow as tf

    from sdarts_tf.config import SearchConfig
    from sdarts_tf.search import search

    settings = {"space": "s2", "dataset": "digits", "channels": 4, "cells": 3, "run_dir": f"{folder}/run"}
    chosen = {name: getattr(arguments, name) for name in ("method", "epochs", "batch_size", "seed")}
    run = search(SearchConfig(**settings, **chosen, strategy=strategy, sync_batch_norm=sync_batch_norm)).run_dir
    reader = tf.train.load_checkpoint(str(run / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("architecture/alpha")]
    alpha = np.concatenate([reader.get_tensor(name).ravel() for name in sorted(names)])
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1]), alpha


def main():
    """Reads the command line, searches three times and prints three lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="rs")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    command_line.import_tensorflow()
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    expected = None
    for strategy, sync_batch_norm in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            figures, alpha = searched(arguments, strategy, sync_batch_norm, folder)
        expected = alpha if expected is None else expected
        shown = {name: round(figures[name], 4) for name in ("train_loss", "valid_loss", "valid_accuracy")}
        apart = {"largest_alpha": float(np.abs(alpha).max()), "alpha_apart": float(np.abs(alpha - expected).max())}
        line = {"method": arguments.method, "strategy": strategy, "sync_batch_norm": sync_batch_norm}
        print(json.dumps(line | shown | {name: float(f"{value:.2g}") for name, value in apart.items()}), flush=True)


if __name__ == "__main__":
    main()
