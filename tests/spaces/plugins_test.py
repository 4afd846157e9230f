"""Operations and spaces from a file: what they add, and what a user reads when they cannot."""

import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import spaces
from sdarts_tf.errors import InputError
from sdarts_tf.layers import operations
from sdarts_tf.spaces import plugins
from sdarts_tf.spaces.base import ImageSpace

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "squeeze_excitation.py"
OPERATION = "from sdarts_tf.layers.operations import Identity\nOPERATIONS = {'same': Identity}\n"


@pytest.fixture(autouse=True)
def forget(as_in_a_new_process):
    with as_in_a_new_process():
        yield


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "own.py").write_text(text)
        return tmp_path / "own.py"

    return write


def test_the_example_adds_an_operation_and_a_space():
    plugins.load(EXAMPLE)
    assert spaces.names()[-1] == "s2_squeeze" and "s2_squeeze" not in spaces.NAMES
    spaces.check("s2_squeeze")
    assert spaces.rows("s2_squeeze")["reduce"][13] == ("4 -> 5", ("skip_connect", "sep_conv_3x3", "squeeze_1x1"))
    plugins.try_operations()
    plugins.load(EXAMPLE)  # again: what a plugin defined may be replaced


@pytest.mark.parametrize("stride", [1, 2])
def test_the_examples_operation_on_several_edges_is_one_at_a_time(stride):
    plugins.load(EXAMPLE)
    several = operations.build("squeeze_1x1", 4, stride=stride, edges=3)
    x, scale = tf.random.stateless_normal([2, 6, 6, 4], (0, 1)), np.repeat([0.2, 0.5, 0.3], 4).astype(np.float32)
    outputs = several(x, scale=tf.constant(scale), training=True)
    for edge, part in enumerate(tf.split(outputs, 3, axis=-1)):
        one = operations.build("squeeze_1x1", 4, stride=stride)
        for name in ("kernel", "excitation"):
            getattr(one, name).assign(tf.split(getattr(several, name).value, 3, axis=-1)[edge])
        alone = one(x, scale=tf.fill([4], scale[4 * edge]), training=True)
        np.testing.assert_allclose(part, alone, atol=2e-6)
    # Closed form of one edge: the mean over the image, through the sigmoid, weighs the channels.
    rectified = np.maximum(x.numpy(), 0)[:, ::stride, ::stride]
    gate = 1 / (1 + np.exp(-rectified.mean(axis=(1, 2)) @ one.excitation.numpy()[0, 0]))
    before = rectified @ one.kernel.numpy()[0, 0] * gate[:, None, None]
    normal = (before - before.mean((0, 1, 2))) / np.sqrt(before.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(alone, 0.3 * normal, atol=2e-5)


def test_a_space_of_the_users_own_class(write):
    path = write(
        "from sdarts_tf.spaces.nasbench201 import NasBench201Space\n"
        "class Mine(NasBench201Space):\n    name = 'mine'\n    supernet_cells = 4, 2\n"
        "SPACES = {'mine': Mine(), 'mixed': {'normal': [('noise', 'none')] * 14, 'reduce': [('sep_conv_7x7',)] * 14}}\n"
    )
    plugins.load(path)
    assert spaces.get("mine").alpha_shapes() == {"cell": (6, 5)}
    assert spaces.supernet_cells("mine") == 4 and spaces.supernet_cells("mine", 2) == 2
    assert spaces.network_size("mine") == (16, 5) and spaces.network_size("mixed") == (36, 20)
    with pytest.raises(InputError, match="--cells=1 is out of range; the space mine needs at least 2"):
        spaces.supernet_cells("mine", 1)
    assert spaces.rows("mine") == spaces.rows("nasbench201")
    assert ImageSpace.rows(spaces.get("mine"))["cell"][5] == ("row 5", ("0", "1", "2", "3", "4"))
    assert spaces.get("mixed").alpha_shapes() == {"normal": (14, 2), "reduce": (14, 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines neither operations nor spaces; give it a dict OPERATIONS"),
        ("OPERATIONS = ['same']\n", "defines neither operations nor spaces"),
        ("a = 1\nb = a / 0\n", "raises ZeroDivisionError: division by zero in line 2; correct it"),
        ("def f(:\n", "raises SyntaxError: .* in line 1; correct it"),
        ("import nowhere\n", "raises ModuleNotFoundError: No module named 'nowhere' in line 1"),
        ("OPERATIONS = {'noise': print}\n", "the operation 'noise' exists already; give yours another name"),
        ("OPERATIONS = {'my op': print}\n", "'my op' cannot name an operation; use letters"),
        ("OPERATIONS = {'op': 3}\n", "operation 'op' is 3, but it must be a layer or a function"),
        ("SPACES = {'s5': ('noise', 'none')}\n", "the space 's5' exists already"),
        ("SPACES = {'own': ('noise', 'conv')}\n", "the space 'own' has the unknown operation 'conv'; choose from avg"),
        ("SPACES = {'own': 3}\n", "the space 'own' is 3, but must be names of operations in a tuple, a dict"),
        ("SPACES = {'own': 'noise'}\n", "the space 'own' is 'noise', but must be names of operations in a tuple"),
        ("SPACES = {'own': {'normal': None}}\n", "the space 'own' is {'normal': None}, but must be names"),
        ("SPACES = {'own': {1: [], 'normal': []}}\n", "has rows of candidates for 1 0, normal 0, but needs 14"),
        ("class A:\n    build_supernet = 1\nSPACES = {'own': A}\n", "the space 'own' is <class .*, but must be names"),
        ("SPACES = {'own': ('none',)}\n", "must have the same number of candidates, and each one that is not none"),
        (
            "SPACES = {'own': {'normal': [('noise',)] * 14, 'reduce': [('noise',)] * 13}}\n",
            "has rows of candidates for normal 14, reduce 13, but needs 14 for each of normal and reduce",
        ),
    ],
)
def test_a_wrong_plugin_is_one_sentence_and_changes_nothing(write, text, message):
    before = {*operations.OPERATIONS}, spaces.names()
    with pytest.raises(InputError, match=message) as caught:
        plugins.load(write(text))
    assert "\n" not in str(caught.value) and ({*operations.OPERATIONS}, spaces.names()) == before


def test_a_plugin_may_have_any_ending(write, tmp_path):
    path = write("SPACES = {'own': ('noise', 'none')}\n").rename(tmp_path / "own")
    plugins.load(path)
    assert "own" in spaces.names()


def test_without_operations_nothing_is_tried(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # whose import would fail
    plugins.try_operations()


def test_a_missing_plugin():
    with pytest.raises(InputError, match=r"--plugin=nowhere\.py cannot be read .*; name a Python file that defines"):
        plugins.load("nowhere.py")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return x[:, 1:]", r"stride=1, edges=1, returns \[1, 7, 8, 4\] for \[1, 8, 8, 4\]; it must be \[1, 8, 8, 4\]"),
        ("raise ValueError('no. Never')", "stride=1, edges=1, fails .ValueError: .*no"),
    ],
)
def test_an_operation_is_tried(write, body, message):
    path = write(
        "from sdarts_tf.layers.operations import Operation\n"
        "class Own(Operation):\n    shared = True\n    def prepare(self, x, views, training, seed):\n"
        f"        {body}\nOPERATIONS = {{'own': Own}}\n"
    )
    plugins.load(path)
    with pytest.raises(InputError, match=message):
        plugins.try_operations()
