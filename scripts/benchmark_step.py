"""Seconds and memory of a search step and of its parts, as one JSON line.

The line holds the sizes, the seconds to the first step (building and tracing included), the median and minimum seconds
per step, the median seconds that all cores together work for a step, the peak memory in MB, and the number of graph
nodes. Warm-up is excluded. With --parts it also holds the median seconds of a forward pass in evaluation mode, of the
alpha gradient, of one gradient of an attack, of the weight gradient, and of the extreme eigenvalues of the alpha
Hessian on one batch, each alone.

    python scripts/benchmark_step.py --space=s5 --method=adv --batch_size=16 --runs=5 --parts

With --replicas=N each batch is divided among N logical CPU devices, which share the machine's cores. With --in_turns it
takes a step for each line of its input: to be compared with others by `benchmark_turns.py`.
"""

import argparse
import json
import resource
import statistics
import time

from benchmark_turns import take_turns

from sdarts_tf import command_line


def seconds_of(function, runs, warm_up=2, clock=time.perf_counter):
    """Seconds of each run of `function(number)`, after the warm-up."""
    seconds = []
    for number in range(warm_up + runs):
        began = clock()
        function(number)
        seconds.append(clock() - began)
    return seconds[warm_up:]


def parts(step, batch, runs, accumulate_steps):
    """Median seconds of the parts of a step."""
    import tensorflow as tf

    from sdarts_tf.training import curvature
    from sdarts_tf.training.objective import Objective

    hessian = curvature.AlphaHessian(
        lambda batch: curvature.image_objective(step.supernet, batch, training=True), step.architecture
    )
    mixture = step.architecture.mixture()
    computed = {"precision": step.precision, "parts": accumulate_steps}
    attacked = Objective(step.supernet, batch, training=False, **computed)
    training = Objective(step.supernet, batch, training=True, record=True, **computed)
    repeated = attacked.repeated()
    repeated(mixture)  # computes once what does not depend on the mixture, outside of what is timed
    functions = {
        "evaluation_forward": tf.function(lambda: attacked.logits(batch[0], mixture)[0, 0]),
        "alpha_gradient": tf.function(lambda: _touched(training.loss_and_gradient(mixture))),
        "attack_gradient": lambda: _touched(repeated(mixture)),
        "weight_gradient": tf.function(lambda: _touched(training.loss_and_weight_gradient(mixture))),
        "alpha_hessian": lambda: _touched(curvature.measure(hessian, [(*batch, tf.constant([0, 0]))])),
    }
    return {
        name: round(statistics.median(seconds_of(lambda _, function=function: function().numpy(), runs)), 4)
        for name, function in functions.items()
    }


def _touched(results):
    """A scalar that needs all of the results, so that none is left out."""
    import tensorflow as tf

    return tf.add_n([tf.reduce_sum(value) for value in tf.nest.flatten(results)])


class Benchmark:
    """A search step on random images, built and run once."""

    def __init__(self, arguments):
        import tensorflow as tf

        from sdarts_tf.config import SearchConfig
        from sdarts_tf.training import runtime
        from sdarts_tf.training.search_step import build_step

        names = ("space", "method", "batch_size", "channels", "cells", "pgd_steps", "jit_compile", "sync_batch_norm")
        names += ("precision", "accumulate_steps", "recompute", "edges_at_once")
        shape = arguments.image_size, arguments.image_size, 3
        config = runtime.suited(SearchConfig(**{name: getattr(arguments, name) for name in names}), shape)
        self.arguments, self.settings = arguments, {name: getattr(config, name) for name in names}
        began = time.perf_counter()
        self.step = build_step(config, num_classes=10)
        self.function = tf.function(self.step, jit_compile=arguments.jit_compile or None)
        self.run(0)
        self.seconds_to_first_step = time.perf_counter() - began

    def batch(self, seed):
        """Images and labels."""
        import tensorflow as tf

        from sdarts_tf.training import replicas

        number, size = self.arguments.batch_size, self.arguments.image_size
        images = tf.random.stateless_normal([number, size, size, 3], (seed, 0))
        labels = tf.random.stateless_uniform([number], (seed, 1), 0, 10, tf.int32)
        return replicas.per_replica((images, labels))

    def inputs(self, number):
        """What step `number` takes."""
        import tensorflow as tf

        return self.batch(0), self.batch(1), tf.constant(0.025), tf.constant(0.3), tf.constant([0, number])

    def run(self, number):
        """Takes step `number` and waits for it."""
        return self.function(*self.inputs(number))["loss"].numpy()

    def figures(self):
        """All that the line holds."""
        from sdarts_tf.training import replicas

        runs = self.arguments.runs
        seconds = seconds_of(self.run, runs)
        work = seconds_of(self.run, runs, warm_up=0, clock=time.process_time)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        graph = self.function.get_concrete_function(*self.inputs(0)).graph.as_graph_def()
        figures = {
            **self.settings,
            "image_size": self.arguments.image_size,
            "replicas": replicas.count(),
            "seconds_to_first_step": round(self.seconds_to_first_step, 2),
            "median_seconds": round(statistics.median(seconds), 4),
            "min_seconds": round(min(seconds), 4),
            "median_cpu_seconds": round(statistics.median(work), 4),
            "peak_mb": peak,
            "graph_nodes": len(graph.node) + sum(len(part.node_def) for part in graph.library.function),
        }
        if self.arguments.parts:
            figures |= parts(self.step, self.batch(0), runs, self.arguments.accumulate_steps)
        return figures


def _scope(replicas, plain_runtime):
    """The scope of a strategy of so many logical CPU devices."""
    import tensorflow as tf

    from sdarts_tf.training import runtime, strategy

    if not plain_runtime:
        runtime.suit_supernets()
    if replicas == 1:
        return tf.distribute.get_strategy().scope()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
    return strategy.create("mirrored").scope()


def main():
    """Reads the command line and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="s5")
    parser.add_argument("--method", default="darts")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--pgd_steps", type=int, default=7)
    parser.add_argument("--runs", type=int, default=5, help="runs that are timed; at least 5 for a figure to quote")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--sync_batch_norm", action="store_true")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--accumulate_steps", type=int, default=1)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--edges_at_once", type=int, help="default what suits this machine")
    parser.add_argument("--parts", action="store_true", help="time the parts of the step too")
    parser.add_argument("--in_turns", action="store_true", help="take a step for each line of the input instead")
    parser.add_argument("--jit_compile", action="store_true")
    parser.add_argument("--plain_runtime", action="store_true", help="TensorFlow's own threads and graph optimizer")
    arguments = parser.parse_args()
    if arguments.parts and arguments.replicas > 1:
        parser.error("--parts times one device; leave --replicas away")
    if arguments.parts and arguments.in_turns:
        parser.error("--in_turns takes whole steps; leave --parts away")
    command_line.import_tensorflow()
    with _scope(arguments.replicas, arguments.plain_runtime):
        benchmark = Benchmark(arguments)
        if arguments.in_turns:
            seconds_of(benchmark.run, 0)  # warms up
            take_turns(benchmark.run, benchmark.seconds_to_first_step, **benchmark.settings)
        else:
            print(json.dumps(benchmark.figures()))


if __name__ == "__main__":
    main()
