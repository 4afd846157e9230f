"""A trained language model as a SavedModel that needs nothing but TensorFlow and hands its state to the client."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from sdarts_tf.data.vocabulary import Vocabulary
from sdarts_tf.errors import RunError
from sdarts_tf.genotypes.drawing import describe
from sdarts_tf.interop.comparison import TOLERANCE
from sdarts_tf.spaces.recurrent import LanguageModel
from sdarts_tf.training.trained_files import TrainedFiles

UNKNOWN = "<unk>"  # stands for tokens that are not in the vocabulary, if the text it was made of has it


def write(model: LanguageModel, vocabulary: Vocabulary, genotype_json: str, folder) -> None:
    """Writes the SavedModel.

    Its signature `serving_default` takes `tokens`, strings `[N, T]`, and `state`, float32 `[N, units]`, zero at the
    start of a text; it returns `probabilities` `[N, vocabulary]` of the token that follows the last one, and the
    `state` to go on with. A token that is not in the vocabulary counts as `<unk>`; where that is none either, the call
    fails.

    Args:
        model: the trained one; dropout does not get into the graph.
        vocabulary: its tokens, written as the asset `vocabulary.json`.
        genotype_json: the asset `genotype.json`.
        folder: an empty one.
    """
    keys, numbers = tf.constant(vocabulary.tokens), tf.range(len(vocabulary), dtype=tf.int32)
    default = vocabulary.tokens.index(UNKNOWN) if UNKNOWN in vocabulary.tokens else -1
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, numbers), default)

    def serve(tokens, state):
        encoded = tf.transpose(module.table.lookup(tokens))
        known = tf.debugging.assert_non_negative(encoded, "A token is not in the vocabulary.")
        with tf.control_dependencies([known]):
            logits, states = model(tf.identity(encoded), state)
        return {"probabilities": tf.nn.softmax(logits[-1]), "state": states[-1]}

    tokens = tf.TensorSpec([None, None], tf.string, name="tokens")
    state = tf.TensorSpec([None, model.units], tf.float32, name="state")
    module.serve = tf.function(serve, input_signature=[tokens, state])
    module.weights = list(module.serve.get_concrete_function().graph.variables)
    with tempfile.TemporaryDirectory() as assets:
        files = {"vocabulary.json": json.dumps(vocabulary.tokens), "genotype.json": genotype_json}
        module.assets = []
        for name, text in files.items():
            path = pathlib.Path(assets) / name
            path.write_text(text, encoding="utf-8")
            module.assets.append(tf.saved_model.Asset(str(path)))
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve}, options=options)


# Runs in a process of its own: python -c CODE saved_model given.npz outputs.npz
_RUN_WITHOUT_US = """
import sys

sys.modules["sdarts_tf"] = sys.modules["keras"] = None  # whoever imports them fails

import numpy as np
import tensorflow as tf

tf.config.set_visible_devices([], "GPU")
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
given = np.load(sys.argv[2])
state, outputs = tf.constant(given["state"]), []
for tokens in given["tokens"]:
    answer = serve(tokens=tf.constant([[str(tokens)]]), state=state)
    state = answer["state"]
    outputs.append(answer["probabilities"].numpy())
np.savez(sys.argv[3], probabilities=np.concatenate(outputs), state=state.numpy())
"""


def difference(model: LanguageModel, vocabulary: Vocabulary, tokens: np.ndarray, folder) -> float:
    """How far the SavedModel's probabilities and last state are from the model's, the largest of all.

    The SavedModel reads one token at a time, in a process without this package and without Keras, which passes the
    state on; the model reads all at once.

    Args:
        model: the trained one.
        vocabulary: its tokens.
        tokens: int32 `[n]`, of a text.
        folder: the SavedModel.

    Raises:
        RunError: it cannot be loaded or run there.
    """
    logits, states = model(tf.constant(tokens[:, np.newaxis]), tf.zeros([1, model.units]))
    with tempfile.TemporaryDirectory() as scratch:
        given, answered = (pathlib.Path(scratch) / name for name in ("given.npz", "answered.npz"))
        words = np.array([vocabulary.tokens[token] for token in tokens])
        np.savez(given, tokens=words, state=np.zeros([1, model.units], np.float32))
        command = [sys.executable, "-c", _RUN_WITHOUT_US, pathlib.Path(folder).resolve(), given, answered]
        process = subprocess.run([*map(str, command)], cwd=scratch, capture_output=True, text=True)
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
            raise RunError(f"The SavedModel does not run in plain TensorFlow ({last[0]}); nothing was exported.")
        with np.load(answered) as answer:
            probabilities, state = answer["probabilities"], answer["state"]
    expected = tf.nn.softmax(logits[:, 0]).numpy()
    return float(max(np.abs(probabilities - expected).max(), np.abs(state - states[-1].numpy()).max()))


def export(model: LanguageModel, files: TrainedFiles, tokens: np.ndarray, folder) -> str:
    """Writes the SavedModel and compares it with the model on a text; returns the model card, in Markdown.

    Args:
        model: the trained one.
        files: what describes it.
        tokens: int32 `[n]`, on which both are compared.
        folder: an empty one.

    Raises:
        RunError: it does not run, or differs from the model.
    """
    write(model, files.data, files.genotype.to_json(), folder)
    found = difference(model, files.data, tokens, folder)
    if not found <= TOLERANCE:
        raise RunError(
            f"The SavedModel differs from the model by {found:.1e}, and {TOLERANCE:.0e} is allowed; nothing was "
            "exported, so try another version of TensorFlow."
        )
    data, config = files.data, files.config
    return f"""# Language model for {data.name}

A model around a recurrent cell of eight blocks, exported by sdarts_tf. Weights: the `{files.checkpoint}` checkpoint of
epoch {files.epoch}.

```
{describe(files.genotype)}
```

| | |
|---|---|
| tokens | {len(data):,} different {data.unit} |
| units | {config.units} |
| parameters | {model.count_params():,} |
| largest difference from the trained model | {found:.1e} on {len(tokens):,} tokens, read one by one |

## Use

The signature `serving_default` of this SavedModel takes `tokens`, string [N, T], and `state`, float32
[N, {config.units}], which is zero at the start of a text. It returns `probabilities` float32 [N, {len(data)}] of what
follows the last token, in the order of the asset `vocabulary.json`, and the `state` to go on with.

```python
model = tf.saved_model.load("1")
state = tf.zeros([1, {config.units}])
answer = model.signatures["serving_default"](tokens=tf.constant([{list(data.tokens[:2])}]), state=state)
```

## Licence

sdarts_tf is under Apache-2.0. These weights were computed from {data.name}: whether and how they may be used depends on
the terms of that text too, so check them before you pass the model on.
"""
