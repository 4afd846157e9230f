"""What the replicas of a step tell one another, counted from its graph."""

import dataclasses

import tensorflow as tf

_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_LOOPS = {"While", "StatelessWhile"}


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Messages of one step, as each replica sends them.

    Args:
        collectives: number of all-reductions.
        bytes: their sizes, added up; the size of a reduction is that of its result.
    """

    collectives: int = 0
    bytes: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.collectives + other.collectives, self.bytes + other.bytes)

    def times(self, count: int) -> "Traffic":
        """That of `count` repetitions."""
        return Traffic(count * self.collectives, count * self.bytes)

    def seconds(self, replicas: int, *, latency: float, bandwidth: float) -> float:
        """Time of the messages by the model of a ring: a latency for each, and nearly every byte there and back.

        Args:
            replicas: number of replicas in the ring.
            latency: seconds of an all-reduction of nothing.
            bandwidth: bytes a second that a replica sends while it receives as many.

        Example:
            >>> round(1e3 * Traffic(2, 8_227_844).seconds(8, latency=20e-6, bandwidth=100e9), 3)
            0.184
        """
        return self.collectives * latency + self.bytes * 2 * (replicas - 1) / replicas / bandwidth


def of_step(function, *args, loop_steps: int, strategy: tf.distribute.Strategy) -> Traffic:
    """Counts the all-reductions of one call of a traced step.

    Args:
        function: a `tf.function`, called in the scope of `strategy`, which reduces by TensorFlow's collectives.
        *args: its arguments.
        loop_steps: how often the body of a loop runs; the only loop of a step is the attack's.
        strategy: its local replicas each have their own operations in the graph.
    """
    with strategy.scope():
        graph = function.get_concrete_function(*args).graph
    definition = graph.as_graph_def(add_shapes=True)
    bodies = {body.signature.name: body.node_def for body in definition.library.function}

    def count(nodes):
        total = Traffic()
        for node in nodes:
            if node.op in _CALLS:
                total += count(bodies[node.attr["f"].func.name])
            elif node.op in _LOOPS:
                total += count(bodies[node.attr["body"].func.name]).times(loop_steps)
            elif node.op.startswith("CollectiveReduce"):
                total += Traffic(1, _size(node))
        return total

    everywhere, replicas = count(definition.node), strategy.num_replicas_in_sync
    return Traffic(everywhere.collectives // replicas, everywhere.bytes // replicas)


def _size(node):
    """Bytes of a node's first output."""
    shape = tf.TensorShape(node.attr["_output_shapes"].list.shape[0])
    return shape.num_elements() * tf.dtypes.as_dtype(node.attr["T"].type).size
