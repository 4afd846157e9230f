"""Tunes a search as a keras-tuner user tunes a model: a function of `hp`, an oracle, a tuner.

python examples/tune_from_keras_tuner.py --directory=runs/from-keras-tuner
"""

import argparse

import keras_tuner

from sdarts_tf.config import SearchConfig
from sdarts_tf.studies.tuner import RunTuner


def settings(hp: keras_tuner.HyperParameters) -> SearchConfig:
    """What `build_model(hp)` is elsewhere."""
    method = hp.Choice("method", ["darts", "rs"])
    with hp.conditional_scope("method", ["rs"]):
        epsilon = hp.Float("epsilon", 0.03, 1.0, sampling="log")
    return SearchConfig(
        method=method,
        epsilon=SearchConfig.epsilon if epsilon is None else epsilon,
        space="s2",
        dataset="digits",
        channels=2,
        cells=3,
        epochs=hp.Int("epochs", 1, 3),
        batch_size=32,
        max_examples=400,
    )


def main() -> None:
    """Makes a few trials and prints the best settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", required=True, help="folder of the tune; one that is there is gone on with")
    parser.add_argument("--trials", type=int, default=5)
    arguments = parser.parse_args()
    objective = keras_tuner.Objective("pruned_accuracy", "max")
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(objective, max_trials=arguments.trials, seed=1)
    tuner = RunTuner(settings, oracle, directory=arguments.directory)
    tuner.search()
    tuner.results_summary(1)
    print(tuner.get_best_hyperparameters()[0].values)


if __name__ == "__main__":
    main()
