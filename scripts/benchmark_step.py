"""Seconds and memory of a search step, as JSON lines.

Each line: space, method, batch, channels, cells, seconds to the first step (building and tracing included), median and
minimum seconds per step, peak memory in MB. Warm-up is excluded from the steps.

    python scripts/benchmark_step.py --space=s5 --method=adv --batch_size=16 --runs=5
"""

import argparse
import json
import os
import resource
import statistics
import time


def measure(arguments):
    """Builds a search step on random images, runs it, and returns the figures."""
    import tensorflow as tf

    from sdarts_tf.config import SearchConfig
    from sdarts_tf.training.search_step import build_step

    settings = {
        name: getattr(arguments, name) for name in ("space", "method", "batch_size", "channels", "cells", "jit_compile")
    }
    began = time.perf_counter()
    step = build_step(SearchConfig(**settings), num_classes=10)
    function = tf.function(step, jit_compile=arguments.jit_compile or None)
    size = arguments.image_size

    def batch(seed):
        images = tf.random.stateless_normal([arguments.batch_size, size, size, 3], (seed, 0))
        return images, tf.random.stateless_uniform([arguments.batch_size], (seed, 1), 0, 10, tf.int32)

    seconds = []
    for run in range(arguments.runs + 2):
        start = time.perf_counter()
        loss = function(batch(0), batch(1), tf.constant(0.025), tf.constant(0.3), tf.constant([0, run]))["loss"]
        loss.numpy()
        seconds.append(time.perf_counter() - start)
        if run == 0:
            first = time.perf_counter() - began
    graph = function.get_concrete_function(
        batch(0), batch(1), tf.constant(0.025), tf.constant(0.3), tf.constant([0, 0])
    ).graph
    return {
        **settings,
        "image_size": size,
        "seconds_to_first_step": round(first, 2),
        "median_seconds": round(statistics.median(seconds[2:]), 4),
        "min_seconds": round(min(seconds[2:]), 4),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "graph_nodes": len(graph.as_graph_def().node)
        + sum(len(f.node_def) for f in graph.as_graph_def().library.function),
    }


def main():
    """Reads the command line and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="s5")
    parser.add_argument("--method", default="darts")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jit_compile", action="store_true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
