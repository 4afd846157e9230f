"""Seconds and memory of a step on text, of a search or of a training, as one JSON line.

The line holds the sizes, the seconds to the first step (building and tracing included), the median and minimum seconds
of a step of the usual length, the median seconds that it takes of all cores, which other work on the machine disturbs
less, the words per second of the weights' text, and the peak memory in MB. Words are random numbers. The defaults are
the official sizes: 300 units and 256 streams in a search, 850 and 64 in a training.

    python scripts/benchmark_text.py --method=adv
    python scripts/benchmark_text.py --genotype=penn_pgd
"""

import argparse
import json
import resource
import statistics
import time

from sdarts_tf import command_line


def build(arguments):
    """The step as a function of its number, which returns a scalar, and the configuration."""
    import numpy as np
    import tensorflow as tf

    from sdarts_tf.config import RetrainConfig, SearchConfig
    from sdarts_tf.data import text
    from sdarts_tf.data.vocabulary import Vocabulary
    from sdarts_tf.genotypes import published
    from sdarts_tf.training import text_retrain, trained_network
    from sdarts_tf.training.text_search import build_text_step

    given = {name: getattr(arguments, name) for name in ("units", "batch_size", "bptt", "jit_compile")}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.genotype:
        config = RetrainConfig(genotype=arguments.genotype, **given).completed("recurrent")
        vocabulary = Vocabulary("text", "words", tuple(map(str, range(arguments.vocabulary))))
        model = trained_network.build(published.find(arguments.genotype), config, vocabulary)
        step = text_retrain.build_text_step(model, config)
        schedules = {"learning_rate": tf.constant(config.learning_rate)}
    else:
        config = SearchConfig(space="recurrent", method=arguments.method, **given).completed()
        step, _ = build_text_step(config, arguments.vocabulary)
        schedules = {"learning_rate": tf.constant(config.learning_rate), "epsilon": tf.constant(0.3)}
    draw = np.random.default_rng(0)

    def window():
        rows = draw.integers(0, arguments.vocabulary, (config.bptt + 1, config.batch_size), np.int32)
        return tf.nest.map_structure(tf.constant, text.window(rows, 0, config.bptt, config.bptt, fresh=False))

    windows = [window() for _ in range(1 if arguments.genotype else 2)]
    function = tf.function(step, jit_compile=arguments.jit_compile or None)
    return lambda number: function(*windows, seed=tf.constant([0, number]), **schedules)["loss"], config


def measure(arguments):
    """Builds a step, runs it, and returns the figures."""
    began = time.perf_counter()
    run, config = build(arguments)
    run(0).numpy()
    first, seconds, core_seconds = time.perf_counter() - began, [], []
    for number in range(arguments.runs + 1):  # one more to warm up
        began, began_cores = time.perf_counter(), time.process_time()
        run(number).numpy()
        seconds.append(time.perf_counter() - began)
        core_seconds.append(time.process_time() - began_cores)
    median = statistics.median(seconds[1:])
    sizes = {name: getattr(config, name) for name in ("units", "batch_size", "bptt", "jit_compile")}
    return {
        "what": arguments.genotype or f"search by {arguments.method}",
        **sizes,
        "vocabulary": arguments.vocabulary,
        "seconds_to_first_step": round(first, 2),
        "median_seconds": round(median, 3),
        "min_seconds": round(min(seconds[1:]), 3),
        "median_core_seconds": round(statistics.median(core_seconds[1:]), 3),
        "words_per_second": round(config.batch_size * config.bptt / median),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main():
    """Reads the command line and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="darts", help="of the search")
    parser.add_argument("--genotype", help="a cell; its model is trained then, and nothing is searched")
    parser.add_argument("--units", type=int)
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--bptt", type=int)
    parser.add_argument("--vocabulary", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5, help="runs that are timed; at least 5 for a figure to quote")
    parser.add_argument("--jit_compile", action="store_true", default=None)
    arguments = parser.parse_args()
    command_line.import_tensorflow()
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
