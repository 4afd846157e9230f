"""What the folder of a run does not hold, and the command that would make it. Imports no TensorFlow."""

import dataclasses
import shlex

from sdarts_tf.reporting.run import Run


@dataclasses.dataclass(frozen=True)
class Missing:
    """Something that a report would show.

    Args:
        what: one sentence.
        command: what makes it.
    """

    what: str
    command: str


def missing(run: Run) -> list[Missing]:
    """What is not there, in the order in which a user would make it.

    Args:
        run: a run.

    Returns:
        Nothing for a run that was searched with all measurements, analyzed, trained and evaluated.
    """
    return _of_search(run) + _of_training(run)


def _of_search(run):
    if run.search is None:
        return []
    config, found = run.search.config, []
    done, epochs = len(run.search.metrics), config.get("epochs")
    if not _is_finished(run.search):
        found.append(
            Missing(f"The search is not finished: {done} epochs are done.", _command("search", run, "--resume"))
        )
    again = _again(run)
    if not run.shares:
        found.append(Missing("The shares of each epoch were not recorded; a new search records them.", again))
    if not any("hessian_norm" in line for line in run.search.metrics):
        every = max(1, (epochs if isinstance(epochs, int) else 50) // 25)
        what = "The Hessian by alpha was not measured during the search; a new search can."
        found.append(Missing(what, f"{again} --hessian_every={every} --keep_every={5 * every}"))
    if run.analysis is None and _is_finished(run.search):
        what = "Spectrum, landscapes, discretization gap and sensitivity were not computed."
        found.append(Missing(what, _command("analyze", run)))
    if str(config.get("space")).startswith("nasbench") and not any("regret" in line for line in run.search.metrics):
        what = "True accuracies were not looked up; they can be afterwards."
        found.append(Missing(what, f"{_command('query', run)} --benchmark=FILE"))
    return found


def _of_training(run):
    if run.training is None:
        if run.search and not _is_finished(run.search):
            return []
        return [Missing("No network with the found cells was trained.", _command("retrain", run))]
    found = []
    if run.result is None:
        what = f"The training is not finished: {len(run.training.metrics)} epochs are done."
        found.append(Missing(what, _command("retrain", run, "--resume")))
    if run.evaluation is None:
        what = "The trained network was not evaluated: accuracy by class, parameters, multiply-adds, latency."
        found.append(Missing(what, _command("evaluate", run)))
    return found


def _is_finished(search):
    return search.genotype is not None and search.epoch is None


def _command(name, run, *flags):
    return shlex.join(["python", "-m", f"sdarts_tf.{name}", *flags, f"--run_dir={run.path}"])


def _again(run):
    """The same search in another folder."""
    flags = [f"--flagfile={run.path / 'run.flags'}", f"--run_dir={run.path}-again"]
    return shlex.join(["python", "-m", "sdarts_tf.search", *flags])
