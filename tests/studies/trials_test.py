"""Trials of tunes that go wrong, are killed, or move: which fail, which are finished, and what goes on."""

import pathlib

import pytest

from sdarts_tf.config import RetrainConfig, TuneConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training.interruption import Interrupted

pytest.importorskip("keras_tuner", reason="needs the extra tune")
from sdarts_tf.studies import results, tuner
from sdarts_tf.tune import tune


def parabola(config, epoch):
    """Best at an epsilon of 0.4."""
    return {"pruned_accuracy": 1 - (config.epsilon - 0.4) ** 2, "hessian_norm": config.epsilon}


def tune_dir(config):
    return pathlib.Path(config.run_dir)


def test_settings_that_contradict_each_other_fail_their_trial(study, pretend):
    """Of 50 and 64 images one batch can be divided by 4; keras-tuner meets what cannot first."""
    config = study(oracle="grid", tune={"accumulate_steps": [4, 1], "batch_size": [50, 64]})
    trials = tune(config, pretend(parabola)).trials
    values = [(trial.values["accumulate_steps"], trial.values["batch_size"]) for trial in trials]
    assert values == [(4, 64), (1, 50), (1, 64)]
    (failed,) = [trial for trial in results.read(tune_dir(config)) if trial.status == "FAILED"]
    assert failed.message.startswith("--batch_size=50 cannot be divided into --accumulate_steps=4 equal parts")


def test_a_genotype_that_a_benchmark_lacks_fails_its_trial_any_other_missing_figure_stops_the_tune(study, pretend):
    def partial(config, epoch):
        return {"true_test_accuracy": 0.9} if config.epsilon == 0.2 else {"valid_accuracy": 0.5}

    keys = {"oracle": "grid", "tune": {"epsilon": [0.1, 0.2]}, "settings": {"epochs": 2, "benchmark": "table.csv"}}
    config = study(objective="true_test_accuracy", **keys)
    (trial,) = tune(config, pretend(partial)).trials
    assert trial.values["epsilon"] == 0.2
    assert "| failed It recorded no true_test_accuracy; there are " in (tune_dir(config) / "trials.md").read_text()
    config = study(objective="valid_perplexity", **keys)
    with pytest.raises(InputError, match="Trial 0000: It recorded no valid_perplexity; there are epoch, "):
        tune(TuneConfig(file=config.file, run_dir=config.run_dir + "2"), pretend(partial))


@pytest.mark.parametrize("objective, every", [("pruned_accuracy", "gap_every"), ("hessian_norm", "hessian_every")])
def test_hyperband_has_the_figure_at_every_rung(study, pretend, objective, every):
    """As a real run the pretended one measures every so many epochs and at the last; the file asks for every fifth."""

    def formula(config, epoch):
        due = epoch % getattr(config, every) == 0 or epoch == config.epochs
        return {objective: parabola(config, epoch)[objective]} if due else {"valid_accuracy": 0.5}

    keys = {"tune": {"epsilon": {"from": 0.0, "to": 1.0}}, "settings": {"epochs": 9, every: 5}}
    trials = tune(study(oracle="hyperband", objective=objective, **keys), pretend(formula)).trials
    assert {trial.epochs for trial in trials} == {1, 3, 9}


def test_a_last_rung_that_is_killed_before_its_result_is_finished(study, pretend):
    class Killed(BaseException):
        pass

    run = pretend(parabola)

    def killed_once(chain, environment=None):
        run(chain)
        result = chain[0].run_dir / "genotype.json"
        if result.exists() and not killed:
            killed.append(result)
            result.unlink()
            raise Killed

    killed = []
    keys = {"oracle": "hyperband", "tune": {"epsilon": {"from": 0.0, "to": 1.0}}, "settings": {"epochs": 3}}
    with pytest.raises(Killed):
        tune(study(**keys), killed_once)
    config = TuneConfig(run_dir=study(**keys).run_dir, resume=True)
    trials = tune(config, killed_once).trials
    finished = {trial.run for trial in trials if trial.epochs == 3}
    assert killed[0].parent.name in finished
    assert all((tune_dir(config) / "trials" / name / "genotype.json").exists() for name in finished)


def test_a_worker_may_begin_before_its_chief(study, pretend):
    """Until the chief serves trials a worker has written a file of its own in keras-tuner's folder only."""
    config = study(oracle="grid", tune={"epsilon": [0.1]})
    (tune_dir(config) / "tuner").mkdir(parents=True)
    (tune_dir(config) / "tuner" / "tuner1.json").write_text("{}")
    assert len(tune(config, pretend(parabola)).trials) == 1


@pytest.mark.parametrize(
    "name, sentence",
    [(None, "--resume --run_dir="), ("tuner1", "by the same command, with the same KERASTUNER_TUNER_ID")],
)
def test_an_interrupted_tune_says_how_it_goes_on(study, pretend, monkeypatch, name, sentence):
    """A worker has no run of its own to resume."""

    def interrupted(tuner):
        raise Interrupted("Stopped.", 15)

    monkeypatch.setattr(tuner.RunTuner, "search", interrupted)
    if name:
        served = {"KERASTUNER_ORACLE_IP": "localhost", "KERASTUNER_ORACLE_PORT": "1", "KERASTUNER_TUNER_ID": name}
        for variable, value in served.items():
            monkeypatch.setenv(variable, value)
    with pytest.raises(Interrupted, match=sentence):
        tune(study(oracle="grid", tune={"epsilon": [0.1]}), pretend(parabola))


def test_a_data_folder_that_moved_reaches_the_training_too(study, pretend):
    keys = {"objective": "retrained_valid_accuracy", "oracle": "grid", "tune": {"epsilon": [0.1, 0.2]}}
    keys |= {"settings": {"epochs": 2, "data_dir": "old"}, "retrain": {"epochs": 1, "valid_share": 0.2}}
    broken = [RunError("The data are not there.")]

    def formula(config, epoch):
        if isinstance(config, RetrainConfig) and broken:
            raise broken.pop()
        return {"valid_accuracy": 0.5, "valid_loss": 1.0}

    with pytest.raises(RunError, match="not there"):
        tune(study(**keys), pretend(formula))
    run = pretend(formula)
    tune(TuneConfig(run_dir=study(**keys).run_dir, resume=True, data_dir="new"), run)
    assert [job.command for job in run.ran] == ["retrain", "search", "retrain"]
    assert all(job.always == ("--data_dir=new",) for job in run.ran)


def test_trials_are_read_in_the_order_in_which_they_began(study, pretend):
    """Eight trials have names of one digit; those that are asked for later, of two."""
    keys = {"oracle": "random", "tune": {"epsilon": {"from": 0.0, "to": 1.0}}}
    tune(study(trials=8, **keys), pretend(parabola))
    config = study(trials=12, **keys)
    tune(TuneConfig(file=config.file, run_dir=config.run_dir, resume=True), pretend(parabola))
    names = [trial.number for trial in results.read(tune_dir(config))]
    assert names == [*map(str, range(8)), "08", "09", "10", "11"]
