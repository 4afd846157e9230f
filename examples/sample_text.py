"""Lets an exported language model write: python examples/sample_text.py exports/ptb/1 --prompt="the company".

Needs TensorFlow and nothing of sdarts_tf. The state goes back and forth between this client and the model.
"""

import argparse
import json
import pathlib

import numpy as np
import tensorflow as tf


def sample(folder, prompt, length, temperature, seed):
    """The tokens of the prompt and `length` more, each drawn from the probabilities, which the temperature sharpens."""
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    vocabulary = json.loads((pathlib.Path(folder) / "assets" / "vocabulary.json").read_text(encoding="utf-8"))
    draw, tokens, given = np.random.default_rng(seed), list(prompt), prompt
    state = tf.zeros([1, serve.structured_input_signature[1]["state"].shape[1]])
    for _ in range(length):
        answer = serve(tokens=tf.constant([given]), state=state)
        state, logits = answer["state"], np.log(answer["probabilities"].numpy()[0].astype(float) + 1e-30) / temperature
        shares = np.exp(logits - logits.max())
        given = [vocabulary[draw.choice(len(vocabulary), p=shares / shares.sum())]]
        tokens += given
    return tokens


def main():
    """Reads the command line and prints the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of the SavedModel")
    parser.add_argument("--prompt", default="<eos>", help="how the text begins: words between blanks, or characters")
    parser.add_argument("--characters", action="store_true", help="the model's tokens are characters")
    parser.add_argument("--length", type=int, default=50, help="how many tokens to add")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 the likely tokens come more often")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prompt = list(arguments.prompt) if arguments.characters else arguments.prompt.split()
    tokens = sample(arguments.model, prompt, arguments.length, arguments.temperature, arguments.seed)
    print("".join(tokens) if arguments.characters else " ".join(tokens).replace("<eos>", "\n"))


if __name__ == "__main__":
    main()
