"""The messages that the replicas of a search step exchange, counted from its graph: one JSON line for each method.

    python scripts/count_messages.py --space=s5 --methods=darts,adv --sync_batch_norm

Two replicas on logical CPU devices stand for any number: each sends as many messages of the same size.
"""

import argparse
import json

from sdarts_tf import command_line


def measure(arguments, method):
    """Traces a step of two replicas and counts."""
    import tensorflow as tf

    from sdarts_tf.config import SearchConfig
    from sdarts_tf.training import replicas, traffic
    from sdarts_tf.training.search_step import build_step

    # As several machines do, it reduces by collectives; a mirrored strategy would add up on the CPU.
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MultiWorkerMirroredStrategy._from_local_devices(devices)
    names = ("space", "channels", "cells", "pgd_steps", "sync_batch_norm")
    settings = {name: getattr(arguments, name) for name in names}
    with strategy.scope():
        step = build_step(SearchConfig(method=method, **settings), num_classes=10)
        batch = replicas.per_replica((tf.zeros([4, 32, 32, 3]), tf.zeros([4], tf.int32)))
        schedules = tf.constant(0.025), tf.constant(0.3), tf.constant([0, 0])
        counted = traffic.of_step(
            tf.function(step), batch, batch, *schedules, loop_steps=arguments.pgd_steps, strategy=strategy
        )
    figures = {"weights": step.supernet.count_params(), "collectives": counted.collectives, "bytes": counted.bytes}
    return {"method": method, **settings, **figures}


def main():
    """Reads the command line and prints one line for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="s5")
    parser.add_argument("--methods", default="darts,rs,adv,darts+second_order,adv+second_order")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--pgd_steps", type=int, default=7)
    parser.add_argument("--sync_batch_norm", action="store_true")
    arguments = parser.parse_args()
    command_line.import_tensorflow()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for method in arguments.methods.split(","):
        print(json.dumps(measure(arguments, method)), flush=True)


if __name__ == "__main__":
    main()
