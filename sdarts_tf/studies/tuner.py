"""A keras-tuner whose trials are searches or trainings of this package, each a run's folder of its own."""

import contextlib
import math
import pathlib
import time
from collections.abc import Callable

import grpc
import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src import config as tuner_config

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import Diverged, InputError, RunError
from sdarts_tf.studies import checks, figures, jobs
from sdarts_tf.studies.jobs import Job
from sdarts_tf.studies.study_directory import TRIALS, TUNER
from sdarts_tf.training.run_directory import RunDirectory

FIRST_TRIALS = 3  # if none of these can be used, a tune stops and asks


class RunTuner(BaseTuner):
    """Tunes the settings of a search or of a training as `keras_tuner.Tuner` tunes those of a model.

    Every trial is a run of its own process, in `<directory>/trials/<number>`, that can be resumed, analyzed and
    reported on like any other. A trial that hyperband promotes goes on in the folder of the trial it comes from.

    Args:
        settings: function of a `keras_tuner.HyperParameters` -> `SearchConfig` or `RetrainConfig`, as a keras-tuner
            user builds a model. Its `run_dir` and `resume` are not looked at.
        oracle: any `keras_tuner.Oracle`; its objective is the name of a figure of `figures.known`.
        directory: folder of the tune; what is found there is gone on with.
        retrain: settings with which the cell of every search is trained; needed by the objectives `retrained_...`.
        run: runs the jobs of a trial, as `jobs.run` does.
        tell: called with a line after every trial.

    Example:
        def settings(hp):
            return SearchConfig(dataset="digits", epsilon=hp.Float("epsilon", 0.03, 0.3, sampling="log"))

        oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("pruned_accuracy", "max"), max_trials=10)
        tuner = RunTuner(settings, oracle, directory="runs/tune")
        tuner.search()
        print(tuner.get_best_hyperparameters()[0].values)
    """

    def __init__(
        self,
        settings: Callable[[keras_tuner.HyperParameters], SearchConfig | RetrainConfig],
        oracle: keras_tuner.Oracle,
        *,
        directory,
        retrain: RetrainConfig | None = None,
        run: Callable[[list[Job]], None] = jobs.run,
        tell: Callable[[str], None] = print,
    ):
        self._folder, self._retrain, self._run, self._tell = pathlib.Path(directory), retrain, run, tell
        self._settings, self._waits, self._hopeless = settings, False, None
        super().__init__(oracle, self._declare, directory=str(directory), project_name=TUNER)
        self.save()  # so that a tune that is killed in its first trial is found again

    def _declare(self, hp):
        """Settings, as keras-tuner asks for them to learn what is tuned; None where the first values contradict."""
        with contextlib.suppress(InputError):
            return self._settings(hp)

    def save(self):
        """Keeps the oracle's state, in one piece; the tuner has none of its own."""
        if not self._is_worker():
            self.oracle.save()
        # Where this file lies keras-tuner expects the oracle's.
        path = pathlib.Path(self._get_tuner_fname())
        RunDirectory(path.parent).write(path.name, "{}\n")

    def search(self):
        """Makes trials until the oracle has had enough; the chief of several workers serves them instead.

        Raises:
            Interrupted: after SIGINT or SIGTERM, once the trial has saved its state.
            InputError: none of the first trials could be used.
            RunError: a trial failed for another reason than its settings, or the chief does not answer.
        """
        try:
            with _no_tracebacks():
                super().search(verbose=0)
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
        except grpc.RpcError as error:
            raise RunError(
                f"The chief of the tune in {self._folder} does not answer; start it with --resume, then its workers."
            ) from error

    def pre_create_trial(self):
        """Ends a tune without a trial that can be used; waits a little where the oracle had nothing to do for us."""
        if self._hopeless:
            sentence = f"The first {FIRST_TRIALS} trials have failed, the last one so: {self._hopeless} Correct it and "
            raise keras_tuner.errors.FatalError from InputError(
                f"{sentence}start another tune, or go on without them by --resume."
            )
        if self._waits:
            time.sleep(1)
        self._waits = True

    def on_trial_begin(self, trial):
        self._waits = False
        super().on_trial_begin(trial)

    def run_trial(self, trial, **options) -> dict[str, float]:
        """Runs a trial to its end, or as far as hyperband wants it; returns its figures.

        Raises:
            keras_tuner.errors.FailedTrialError: it diverged, its settings or data cannot be used, or a benchmark lacks
                its genotype.
            keras_tuner.errors.FatalError: anything else, which ends the tune.
        """
        objective = self.oracle.objective.name
        try:
            found = self._figures(trial)
        except (Diverged, InputError) as error:
            raise self._failed(trial, error) from error
        except jobs.Unusable as error:
            # Where the first ones all have failed, it may be what all trials share, such as data that are not there.
            first = int(trial.trial_id) + 1 == FIRST_TRIALS
            if first and all(each.score is None for each in self.oracle.get_best_trials(1)):
                self._hopeless = error
            raise self._failed(trial, error) from error
        except Exception as error:
            raise keras_tuner.errors.FatalError from error
        if objective not in found:
            lacking = f"It recorded no {objective}; there are {', '.join(found)}."
            # The table of a benchmark may lack a genotype; any other figure is there in all trials or in none.
            if objective.startswith("true_"):
                raise self._failed(trial, lacking)
            raise keras_tuner.errors.FatalError from InputError(f"Trial {trial.trial_id}: {lacking}")
        if not math.isfinite(found[objective]):
            raise self._failed(trial, f"Its {objective} is not finite.")
        self._tell(f"trial {trial.trial_id}: {objective} {found[objective]:.6g}")
        return found

    def _failed(self, trial, error):
        self._tell(f"trial {trial.trial_id} failed: {error}")
        return keras_tuner.errors.FailedTrialError(str(error))

    def _figures(self, trial):
        config, epochs = self._settings(trial.hyperparameters), trial.hyperparameters.values.get("tuner/epochs")
        objective, folder = self.oracle.objective.name, self._folder / TRIALS / self._root(trial)
        if not objective.startswith(figures.RETRAINED):
            config = figures.measuring(config, objective, every_epoch=epochs is not None)
        checks.check(config, self._retrain)
        is_training = isinstance(config, RetrainConfig)
        steps, done = [], figures.epochs_recorded(folder / "retrain" if is_training else folder)
        # A run that recorded its last epoch may have been killed before its result.
        if epochs is None or done < epochs or epochs >= config.epochs:
            steps.append(jobs.job(config, folder, stop_after=epochs))
        if self._retrain is not None and not is_training:
            steps.append(jobs.training(self._retrain, config, folder))
        self._run(steps)
        return figures.of_training(folder) if is_training else figures.of_run(folder)

    def _root(self, trial) -> str:
        """The trial in whose folder this one lies: that from which hyperband promoted it, step by step."""
        while past := trial.hyperparameters.values.get("tuner/trial_id"):
            trial = self.oracle.get_trial(past)
        return trial.trial_id


@contextlib.contextmanager
def _no_tracebacks():
    """Keeps keras-tuner from printing the traceback of a trial that fails, of which `tell` says all in a sentence."""
    before, tuner_config.DEBUG = tuner_config.DEBUG, False
    try:
        yield
    finally:
        tuner_config.DEBUG = before
