"""Layers whose backward pass computes the forward pass again, to hold less memory."""

import keras
import tensorflow as tf

from sdarts_tf.errors import InputError


def recompute_cells(network) -> None:
    """Lets every cell of a network keep its inputs only, and compute again what its backward pass needs.

    Loss, gradients and batch statistics stay what they are; a step pays one more forward pass for each backward pass.

    Args:
        network: a model with a list of layers `cells`.

    Raises:
        InputError: the network has no cells.
    """
    cells = getattr(network, "cells", None)
    if not cells:
        raise InputError("--recompute computes cells again, and this network has none; leave it away.")
    for cell in cells:
        cell.recomputed = True


def recomputed(layer, call, args, kwargs):
    """`call(*args, **kwargs)` of a layer, holding no more than the arguments until the gradient is asked for.

    The statistics that the call moves are moved once.
    """
    leaves = tf.nest.flatten((args, kwargs))
    places = [place for place, leaf in enumerate(leaves) if tf.is_tensor(leaf) and leaf.dtype.is_floating]
    weights, statistics = layer.trainable_variables, layer.non_trainable_variables
    before = [tf.convert_to_tensor(variable.value) for variable in statistics]
    structure, moved = (args, kwargs), []

    def run(tensors):
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=False):
            filled[place] = tensor
        values = zip((*weights, *statistics), (*tensors[len(places) :], *before), strict=True)
        # Inside the scope variables read as these tensors, and what is assigned is only noted down.
        with keras.StatelessScope(state_mapping=list(values)) as scope:
            args, kwargs = tf.nest.pack_sequence_as(structure, filled)
            output = call(*args, **kwargs)
        after = [scope.get_current_value(variable) for variable in statistics]
        changed = [(v, new) for v, old, new in zip(statistics, before, after, strict=True) if new is not old]
        return output, changed

    @tf.custom_gradient
    def forward(*tensors):
        output, changed = run(tensors)
        moved.extend(variable for variable, _ in changed)

        def backward(upstream, *_):
            # Waiting for the gradient keeps the second pass from running with the first, and from being merged with it.
            # XLA merges them all the same.
            with tf.control_dependencies([upstream]):
                again = [tf.identity(tensor) for tensor in tensors]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(again)
                output, _ = run(again)
            return tape.gradient(output, again, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return (output, *(new for _, new in changed)), backward

    output, *news = forward(*(leaves[place] for place in places), *(tf.convert_to_tensor(v.value) for v in weights))
    for variable, new in zip(moved, news, strict=True):
        variable.assign(new)
    return output
