"""Operations against definitions, several edges against one at a time, stride 1 and 2, odd sizes."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.layers import convolutions, operations
from sdarts_tf.layers.blocks import DropPath, FactorizedReduce
from sdarts_tf.layers.constants import once
from sdarts_tf.layers.mixed import Arrivals, MixedOperation
from sdarts_tf.layers.normalization import BatchNormalization
from sdarts_tf.layers.views import Views

WITH_WEIGHTS = [name for name in operations.OPERATIONS if name.startswith(("sep", "dil", "conv"))]


def _images(height=8, width=6, channels=4, count=3):
    return tf.random.stateless_normal([count, height, width, channels], (height, width))


def _convolve(x, kernel, *, stride, dilation, padding):
    """A depthwise convolution from its definition, in NumPy float64."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)[..., 0]
    count, height, width, channels = x.shape
    padded = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    reach = dilation * (kernel.shape[0] - 1)
    rows, columns = ((n + 2 * padding - reach - 1) // stride + 1 for n in (height, width))
    y = np.zeros([count, rows, columns, channels])
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            top, left = dilation * i, dilation * j
            window = padded[:, top : top + stride * rows : stride, left : left + stride * columns : stride]
            y += window[:, :rows, :columns] * kernel[i, j]
    return y


@pytest.mark.parametrize("size", [(8, 6), (7, 8), (5, 5), (1, 2)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_dilated_convolution_before_its_normalization(size, stride, kernel_size):
    """TensorFlow's own kernel is silently wrong for stride 2 with dilation 2."""
    layer = operations.DilatedConvolution(4, kernel_size=kernel_size, stride=stride)
    layer.pointwise_kernel.assign(tf.eye(4)[tf.newaxis, tf.newaxis])
    layer.normalization.moving_variance.assign(tf.fill([4], 1 - 1e-5))
    x = _images(*size)
    expected = _convolve(tf.nn.relu(x), layer.depthwise_kernel, stride=stride, dilation=2, padding=kernel_size - 1)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("size", [(9, 8), (8, 7), (3, 4)])
def test_depthwise_and_its_gradients(size, stride, dilation, kernel_size):
    x, kernel = _images(*size), tf.random.stateless_normal([kernel_size, kernel_size, 4, 1], (1, 2))
    padding = dilation * (kernel_size // 2)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, kernel))
        with convolutions.differentiated_kernels():
            if stride == 1:
                y = convolutions.depthwise(x, kernel, dilation=dilation)
            else:
                y = convolutions.depthwise_reducing(convolutions.pad(x, padding), kernel)
        loss = tf.reduce_sum(tf.sin(y))
    expected = _convolve(x, kernel, stride=stride, dilation=dilation, padding=padding)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    for variable, gradient in zip((x, kernel), tape.gradient(loss, (x, kernel)), strict=True):
        direction = tf.random.stateless_normal(variable.shape, (3, 4))
        moved = [variable + step * direction for step in (1e-3, -1e-3)]
        pairs = [(m, kernel) if variable is x else (x, m) for m in moved]
        options = {"stride": stride, "dilation": dilation, "padding": padding}
        high, low = (np.sin(_convolve(*p, **options)).sum() for p in pairs)
        slope = tf.reduce_sum(gradient * direction)
        np.testing.assert_allclose(slope, (high - low) / 2e-3, rtol=1e-2, atol=2e-2)


def _reduced(x, kernel):
    return convolutions.depthwise_reducing(convolutions.pad(x, kernel.shape[0] // 2), kernel)


@pytest.mark.parametrize(
    ("convolve", "shape"),
    [
        (convolutions.depthwise, (5, 5, 2, 1)),
        (functools.partial(convolutions.depthwise, dilation=2), (3, 3, 2, 1)),
        (functools.partial(convolutions.depthwise, dilation=2), (5, 5, 2, 1)),
        (_reduced, (5, 5, 2, 1)),
        (convolutions.pointwise, (1, 1, 2, 3)),
        (convolutions.pointwise, (1, 1, 1, 6)),
    ],
)
def test_second_derivative_of_hand_written_gradients(convolve, shape):
    """They can be differentiated again: the product with a vector equals a finite difference, by map and by kernel."""
    at = _images(6, 6, 2, 1), tf.random.stateless_normal(shape, (1, 2))
    directions = [tf.random.stateless_normal(each.shape, (5, 6)) for each in at]

    def gradients(*at):
        with convolutions.differentiated_kernels(), tf.GradientTape() as tape:
            tape.watch(at)
            loss = tf.reduce_sum(tf.sin(convolve(*at)))
        return tape.gradient(loss, at)

    with tf.GradientTape() as tape:
        tape.watch(at)
        pairs = zip(gradients(*at), directions, strict=True)
        along = tf.add_n([tf.reduce_sum(gradient * direction) for gradient, direction in pairs])
    products = tape.gradient(along, at)
    high, low = (gradients(*(a + step * d for a, d in zip(at, directions, strict=True))) for step in (1e-3, -1e-3))
    for product, above, below in zip(products, high, low, strict=True):
        np.testing.assert_allclose(product, (above - below) / 2e-3, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("edges", [1, 2, 3])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_gradients_of_grouped_convolution_are_those_of_each_edge(edges, kind):
    digits = {"float32": 1e-5, "float16": 2e-2, "bfloat16": 5e-2}[kind]
    x, kernel = _images(channels=2 * edges), tf.random.stateless_normal([1, 1, 2, 3 * edges], (1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, kernel))
        with convolutions.differentiated_kernels():
            loss = tf.reduce_sum(tf.sin(tf.cast(convolutions.pointwise(tf.cast(x, kind), kernel), tf.float32)))
        maps, kernels = tf.split(x, edges, axis=-1), tf.split(kernel[0, 0], edges, axis=-1)
        alone = [tf.tensordot(part, own, 1) for part, own in zip(maps, kernels, strict=True)]
        expected = tf.reduce_sum(tf.sin(tf.concat(alone, axis=-1)))
    pairs = zip(tape.gradient(loss, (x, kernel)), tape.gradient(expected, (x, kernel)), strict=True)
    for found, plain in pairs:
        np.testing.assert_allclose(found, plain, rtol=digits, atol=digits)


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 4), (4, 4), (7, 6)])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(5, 1), (3, 2), (5, 2), (7, 2)])
def test_filter_gradients_are_tensorflows(size, kernel_size, dilation):
    """Also where the kernel is larger than the map."""
    x, kernel = _images(*size), tf.random.stateless_normal([kernel_size, kernel_size, 4, 1], (1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(tf.sin(convolutions.depthwise(x, kernel, dilation=dilation)))
        plain = tf.nn.depthwise_conv2d(x, kernel, [1] * 4, "SAME", dilations=[dilation] * 2)
        expected = tf.reduce_sum(tf.sin(plain))
    np.testing.assert_allclose(tape.gradient(loss, kernel), tape.gradient(expected, kernel), rtol=1e-5, atol=1e-5)


def test_hand_written_gradients_can_be_saved(tmp_path):
    kernel = tf.Variable(tf.random.stateless_normal([1, 1, 2, 2], (1, 2)))
    module = tf.Module()
    module.kernel = kernel

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 2])])
    def serve(x):
        with convolutions.differentiated_kernels():
            return convolutions.pointwise(x, kernel)

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), options=tf.saved_model.SaveOptions(experimental_custom_gradients=True))
    loaded = tf.saved_model.load(str(tmp_path))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded.serve(tf.ones([1, 2, 2, 2])))
    np.testing.assert_allclose(tape.gradient(loss, loaded.kernel), tf.fill([1, 1, 2, 2], 4.0))


def _constants(function, *args):
    graph = tf.function(function).get_concrete_function(*args).graph
    return [node for node in graph.get_operations() if node.type == "Const"]


def test_a_constant_is_one_node_of_each_graph_and_waits_for_nothing():
    def twice(x):
        with tf.control_dependencies([tf.identity(x)]):
            shape = once((2, 3))
        return tf.reshape(tf.reshape(x, shape), once((2, 3)))

    for _ in range(2):
        (constant,) = _constants(twice, tf.TensorSpec([6]))
        assert not constant.control_inputs
    assert once((2, 3)).numpy().tolist() == [2, 3]  # no graph


def test_replicas_have_their_own_constants():
    """Whatever threads trace them: a second run of the strategy has new ones."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def twice():
        runs = [strategy.run(lambda: tf.reshape(tf.random.uniform([6]), once((2, 3)))) for _ in range(4)]
        return [strategy.experimental_local_results(run) for run in runs]

    graph = tf.function(twice).get_concrete_function().graph
    shaped = [node for node in graph.get_operations() if node.type == "Reshape"]
    assert {node.device[-5:] for node in shaped} == {"CPU:0", "CPU:1"} and len(shaped) == 8
    assert all(node.inputs[1].op.device == node.device for node in shaped)


def test_a_branch_has_its_own_constants():
    def either(x):
        return tf.cond(x > 0, lambda: x + once(1.0, tf.float32), lambda: x - once(1.0, tf.float32))

    found = tf.function(either)
    assert [float(found(tf.constant(x))) for x in (2.0, -2.0)] == [3.0, -3.0]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_many_edges_are_one_edge_many_times(name, stride, training):
    x, share = _images(), tf.constant([0.2, 0.5, 0.3])
    together = operations.build(name, 4, stride=stride, edges=3)
    wide = together(x, tf.repeat(share, 4), training=training)
    assert wide.shape == (3, 8 // stride, 6 // stride, 12)
    for edge, part in enumerate(tf.split(wide, 3, axis=-1)):
        alone = operations.build(name, 4, stride=stride)
        for own, all_edges in zip(alone.variables, together.variables, strict=True):
            axis = next((i for i, (a, b) in enumerate(zip(own.shape, all_edges.shape, strict=True)) if a != b))
            if "moving" not in own.name:
                own.assign(tf.split(all_edges.value, 3, axis=axis)[edge])
        np.testing.assert_allclose(part, share[edge] * alone(x, training=training), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_pools_leave_the_border_out(size):
    x = _images(*size).numpy()
    for name, reduce in (("max_pool_3x3", np.max), ("avg_pool_3x3", np.mean)):
        for stride in (1, 2):
            layer = operations.build(name, 4, stride=stride, affine=True)
            y = layer(x).numpy()
            for row in range(y.shape[1]):
                for column in range(y.shape[2]):
                    top, left = row * stride, column * stride
                    window = x[:, max(0, top - 1) : top + 2, max(0, left - 1) : left + 2]
                    np.testing.assert_allclose(y[:, row, column], reduce(window, axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_factorized_reduce_reads_even_and_odd_pixels(size):
    layer = FactorizedReduce(2, 4)
    for kernel in layer.kernels:
        kernel.assign(tf.eye(2)[tf.newaxis, tf.newaxis])
    layer.normalization.moving_variance.assign(tf.fill([4], 1 - 1e-5))
    x = tf.nn.relu(_images(*size, 2)).numpy()
    odd = np.pad(x, [(0, 0), (0, size[0] % 2), (0, size[1] % 2), (0, 0)])[:, 1::2, 1::2]
    np.testing.assert_allclose(layer(x), np.concatenate([x[:, ::2, ::2], odd], axis=-1), atol=1e-6)


def test_noise_ignores_its_input_and_follows_its_seed():
    layer = operations.build("noise", 4, stride=2, edges=2)
    first = layer(_images(), seed=(1, 2)).numpy()
    assert first.shape == (3, 4, 3, 8)
    np.testing.assert_array_equal(first, layer(100 * _images(), seed=(1, 2)))
    assert np.abs(first - layer(_images(), seed=(1, 3))).mean() > 0.5
    big = layer(tf.zeros([64, 16, 16, 4]), seed=(1, 2)).numpy()
    assert abs(big.mean()) < 0.02 and abs(big.std() - 1) < 0.02
    assert abs(np.corrcoef(big[..., :4].ravel(), big[..., 4:].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_depthwise_without_native_dilation(monkeypatch, kernel_size):
    """Where the build has no kernel for it, TensorFlow's wrapper gives the same map and the same gradients."""
    inputs = _images(7, 8), tf.random.stateless_normal([kernel_size, kernel_size, 4, 1], (1, 2))

    def map_and_gradients():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = convolutions.depthwise(*inputs, dilation=2)
            loss = tf.reduce_sum(tf.sin(y))
        return y, *tape.gradient(loss, inputs)

    native = map_and_gradients()
    monkeypatch.setattr(convolutions, "_dilates_natively", lambda dtype: False)
    for ours, wrapped in zip(native, map_and_gradients(), strict=True):
        np.testing.assert_allclose(ours, wrapped, rtol=1e-4, atol=1e-4)


def test_grouped_convolution_equals_split_ones(monkeypatch):
    x, kernel = _images(channels=6), tf.random.stateless_normal([1, 1, 2, 9], (1, 2))
    grouped = convolutions.pointwise(x, kernel)
    monkeypatch.setattr(convolutions, "_has_grouped_gradients", lambda dtype: False)
    np.testing.assert_allclose(convolutions.pointwise(x, kernel), grouped, atol=1e-6)


@pytest.mark.parametrize(("size", "dilation"), [(3, 2), (5, 1), (5, 2)])
def test_fixed_kernels_have_no_gradient_and_maps_have_theirs(size, dilation):
    x, kernel = _images(), tf.random.stateless_normal([size, size, 4, 1], (1, 2))

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            y = tf.reduce_sum(convolutions.depthwise(x, kernel, dilation=dilation) ** 2)
        return tape.gradient(y, (x, kernel))

    by_map, by_kernel = gradients()
    assert by_kernel is not None
    with convolutions.fixed_kernels():
        fixed_by_map, fixed_by_kernel = gradients()
    np.testing.assert_array_equal(fixed_by_map, by_map)
    # TensorFlow's own dilation has one that costs few nodes.
    ours = dilation == 1 or convolutions._dilates_natively(x.dtype)
    assert (fixed_by_kernel is None) == ours


def test_batch_normalization_keeps_pytorch_statistics():
    layer, x = BatchNormalization(4), _images()
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * np.mean(x, axis=(0, 1, 2)), atol=1e-6)
    unbiased = np.var(x, axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * unbiased, atol=1e-5)


def test_mixture_is_the_weighted_sum_of_its_candidates():
    candidates = {
        0: ("max_pool_3x3", "sep_conv_3x3"),
        3: ("skip_connect", "max_pool_3x3"),
        5: ("dil_conv_3x3", "noise"),
    }
    mixed = MixedOperation(4, candidates)
    mixture = tf.constant(np.random.RandomState(0).dirichlet([1, 1], size=6), tf.float32)
    x, seed = _images(), (1, 2)
    layers = {layer.name: layer for layer in mixed.operations}
    pool, convolution = layers["max_pool_3x3"](x), layers["sep_conv_3x3"](x)
    expected = [
        mixture[0, 0] * pool + mixture[0, 1] * convolution,
        mixture[3, 0] * x + mixture[3, 1] * pool,
        mixture[5, 0] * layers["dil_conv_3x3"](x) + mixture[5, 1] * layers["noise"](x, seed=seed),
    ]
    arrivals = Arrivals()
    for rows, output in mixed(x, mixture, seed=seed):
        arrivals.add(rows, output)
    for row, value in zip(candidates, expected, strict=True):
        np.testing.assert_allclose(arrivals.pop(row), value, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_outputs_are_weighed_as_what_is_prepared(training):
    """What arrives, and its gradient by the mixture, whose shares may be 0; a row of only `none` receives nothing."""
    candidates = {
        0: ("none", "sep_conv_3x3", "max_pool_3x3"),
        1: ("skip_connect", "sep_conv_3x3", "dil_conv_5x5"),
        2: ("none", "none", "none"),
        3: ("noise", "none", "sep_conv_3x3"),
    }
    mixed = MixedOperation(4, candidates, edges_at_once=2)
    mixture = tf.constant([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.6, 0.0, 0.4]])
    prepared = mixed.prepare(_images(), training=training, seed=(1, 2))

    def arriving(ready):
        with tf.GradientTape() as tape:
            tape.watch(mixture)
            arrivals = Arrivals()
            for rows, output in mixed.finish(ready, mixture, training=training):
                arrivals.add(rows, output)
            maps = tf.stack([arrivals.pop(row) for row in (0, 1, 3)])
            loss = tf.reduce_sum(maps**3)
        return maps, tape.gradient(loss, mixture)

    outputs = mixed.outputs(prepared, training=training)
    assert [tuple(maps.shape) for maps in outputs.maps] == [
        (2, *_images().shape),
        (3, *_images().shape),
        (2, *_images().shape),
    ]
    for found, expected in zip(arriving(outputs), arriving(prepared), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_outputs_are_what_is_prepared_in_half_precision_and_for_operations_of_others():
    """Products would leave half precision, and others may do more with a scale than multiply."""

    class Own(operations.SeparableConvolution):
        pass

    for kind, dtype in ((operations.SeparableConvolution, tf.float16), (Own, tf.float32)):
        kinds = {"sep_conv_3x3": functools.partial(kind, kernel_size=3)}
        mixed = MixedOperation(4, {0: ("skip_connect", "sep_conv_3x3")}, kinds=kinds)
        prepared = mixed.prepare(tf.cast(_images(), dtype))
        assert mixed.outputs(prepared) is prepared


def test_drop_path_keeps_the_mean():
    x = tf.ones([4000, 1, 1, 1])
    dropped = DropPath()(x, rate=tf.constant(0.3), seed=(1, 2)).numpy().ravel()
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
    assert abs(dropped.mean() - 1) < 0.03


def test_unknown_operation():
    with pytest.raises(InputError, match=r"Unknown operation 'sep_conv_4x4'; choose from avg_pool_3x3, "):
        operations.build("sep_conv_4x4", 4)


def test_dropout_behind_skip_connections():
    """Each edge drops entries of its own and scales up the rest; without a rate, or outside of training, none."""
    layer = operations.DroppedIdentity(4, edges=3)
    x = tf.random.stateless_normal([8, 16, 16, 4], (1, 2))
    plain = tf.concat([x] * 3, axis=-1)

    def prepared(rate, training, seed=(3, 4)):
        return layer.prepare(x, Views(x, skip_dropout=rate), training, seed).numpy()

    np.testing.assert_array_equal(prepared(None, True), plain)
    np.testing.assert_array_equal(prepared(tf.constant(0.4), False), plain)
    dropped = prepared(tf.constant(0.4), True)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], plain.numpy()[kept] / 0.6, rtol=1e-6)
    for edge in np.split(kept, 3, axis=-1):
        assert edge.mean() == pytest.approx(0.6, abs=0.02)  # 8192 draws: a deviation of 0.0054
    first, second, _ = np.split(kept, 3, axis=-1)
    assert (first == second).mean() == pytest.approx(0.6**2 + 0.4**2, abs=0.03)
    assert (prepared(tf.constant(0.4), True, seed=(3, 5)) != 0).tolist() != kept.tolist()
    scaled = layer.finish(tf.constant(dropped), tf.repeat([0.5, 1.0, 2.0], 4), True).numpy()
    np.testing.assert_allclose(scaled, dropped * np.repeat([0.5, 1, 2], 4), rtol=1e-6)
