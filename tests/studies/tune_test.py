"""Tunes whose runs are pretended: what oracles, resumption, failures and results do to known figures."""

import json
import math
import pathlib
import shutil

import pytest

from sdarts_tf.config import TuneConfig
from sdarts_tf.errors import Diverged, InputError, RunError
from sdarts_tf.studies import jobs, plan
from sdarts_tf.studies.importance import importance
from sdarts_tf.training.interruption import Interrupted

pytest.importorskip("keras_tuner", reason="needs the extra tune")
from sdarts_tf.studies import oracles, results
from sdarts_tf.tune import tune


def parabola(config, epoch):
    """Best at an epsilon of 0.4."""
    return {"pruned_accuracy": 1 - (config.epsilon - 0.4) ** 2, "hessian_norm": config.epsilon}


def tune_dir(config):
    return pathlib.Path(config.run_dir)


def resumed(config):
    return TuneConfig(run_dir=config.run_dir, resume=True)


def test_a_grid_makes_all_combinations_and_ranks_them(study, pretend):
    tuned = {"method": ["darts", "rs"], "epsilon": {"from": 0, "to": 1, "step": 0.1, "when": {"method": "rs"}}}
    config, run = study(oracle="grid", tune=tuned), pretend(parabola)
    trials = tune(config, run).trials
    assert [job.run_dir.name for job in run.ran] == [trial.run for trial in results.read(tune_dir(config))]
    assert trials[0].values == {"method": "rs", "epsilon": 0.4} and trials[0].figures["pruned_accuracy"] == 1
    assert sorted(trial.values.get("epsilon", -1) for trial in trials) == [-1, *(number / 10 for number in range(11))]
    table = (tune_dir(config) / "trials.csv").read_text().splitlines()
    assert table[0].startswith("trial,method,epsilon,pruned_accuracy,") and len(table) == 13
    # The default epsilon of darts, 0.3, is as good as 0.5; the earlier trial comes first.
    assert [line.split(",")[1:4] for line in table[1:4]] == [
        ["rs", "0.4", "1"],
        ["darts", "", "0.99"],
        ["rs", "0.3", "0.99"],
    ]


@pytest.mark.parametrize("oracle", ["random", "bayesian"])
def test_oracles_stay_in_the_range_and_follow_their_seed(study, pretend, oracle):
    keys = {"oracle": oracle, "trials": 4, "tune": {"epsilon": {"from": 0.01, "to": 1.0, "scale": "log"}}}

    def drawn(seed):
        shutil.rmtree(tune_dir(study(**keys)), ignore_errors=True)
        tune(study(seed=seed, **keys), pretend(parabola))
        return [trial.values["epsilon"] for trial in results.read(tune_dir(study(**keys)))]

    first = drawn(0)
    assert len(set(first)) == 4 and 0.01 <= min(first) < 0.1 < max(first) <= 1
    # keras-tuner's seed grows by one a trial, so that the next seed draws three of the same four values.
    assert drawn(0) == first and not set(drawn(7)) & set(first)


def test_a_tune_that_is_killed_at_any_trial_goes_on_with_that_trial(study, pretend):
    keys = {"oracle": "random", "trials": 4, "tune": {"epsilon": {"from": 0.0, "to": 1.0}}}
    undisturbed = [trial.values for trial in tune(study(**keys), pretend(parabola)).trials]

    class Killed(BaseException):
        pass

    run = pretend(parabola)

    def killed_each_time(chain, environment=None):
        (job,) = chain
        if not job.run_dir.exists():
            job.run_dir.mkdir(parents=True)
            raise Killed
        run(chain)

    shutil.rmtree(tune_dir(study(**keys)))
    config = study(**keys)
    for _ in range(4):
        with pytest.raises(Killed):
            tune(config, killed_each_time)
        config = resumed(config)
    trials = tune(config, killed_each_time).trials
    assert [trial.values for trial in trials] == undisturbed
    assert [job.run_dir.name for job in run.ran] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("oracle", ["random", "grid"])
def test_a_tune_that_is_killed_at_any_write_of_its_state_ends_the_same(study, pretend, monkeypatch, oracle):
    tuned = {"epsilon": {"from": 0.0, "to": 1.0} if oracle == "random" else [0.1, 0.2]}
    keys = {"oracle": oracle, "trials": 2, "tune": tuned}
    config = study(**keys)
    undisturbed = tune(config, pretend(parabola)).trials
    write = oracles._write

    class Killed(BaseException):
        pass

    writes = 0
    while True:
        shutil.rmtree(tune_dir(config))
        left = [writes]

        def killed(path, state, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            write(path, state)

        monkeypatch.setattr(oracles, "_write", killed)
        try:
            tune(config, pretend(parabola))
        except Killed:
            monkeypatch.setattr(oracles, "_write", write)
            trials = tune(resumed(config), pretend(parabola)).trials
            assert [trial.values for trial in trials] == [trial.values for trial in undisturbed], writes
            writes += 1
        else:
            break
    assert writes > 8


def test_hyperband_resumes_what_it_promotes(study, pretend):
    """Nine epochs by factor 3: rungs of 1, 3 and 9 epochs, each a job on the folder of the trial it comes from."""
    keys = {"oracle": "hyperband", "tune": {"epsilon": {"from": 0.0, "to": 1.0}}, "settings": {"epochs": 9}}
    config, run = study(**keys), pretend(parabola)
    trials = tune(config, run).trials
    promoted = [trial for trial in results.read(tune_dir(config)) if trial.run != trial.number]
    assert promoted and len({trial.run for trial in trials}) < len(trials)
    assert {trial.epochs for trial in trials} == {1, 3, 9}
    for trial in promoted:
        stops = [job.always for job in run.ran if job.run_dir.name == trial.run]
        assert stops in (
            [("--stop_after=1",), ("--stop_after=3",), ()],
            [("--stop_after=3",), ()],
            [("--stop_after=1",), ("--stop_after=3",)],
        )
        lines = (tune_dir(config) / "trials" / trial.run / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    # The best of the first rung trains on, not just any.
    first = [trial for trial in trials if trial.epochs == 1]
    assert first[0].number in {trial.run for trial in promoted}


def test_a_diverged_trial_fails_and_the_others_go_on(study, pretend):
    def formula(config, epoch):
        if config.epsilon > 0.15:
            raise Diverged("The training loss of epoch 1 is not finite.")
        return parabola(config, epoch)

    config = study(oracle="grid", tune={"epsilon": {"from": 0, "to": 1, "step": 0.1}})
    trials = tune(config, pretend(formula)).trials
    assert [trial.values["epsilon"] for trial in trials] == [0.1, 0.0]
    failed = [trial for trial in results.read(tune_dir(config)) if trial.status == "FAILED"]
    assert len(failed) == 9 and {trial.message for trial in failed} == {"The training loss of epoch 1 is not finite."}
    assert "| failed The training loss" in (tune_dir(config) / "trials.md").read_text()


def test_an_objective_that_is_not_finite_fails_too(study, pretend):
    config = study(oracle="grid", objective="hessian_norm", tune={"epsilon": [0.1, 0.2]})
    run = pretend(lambda config, epoch: {"hessian_norm": math.nan if config.epsilon > 0.1 else 3.0})
    (trial,) = tune(config, run).trials
    assert trial.figures["hessian_norm"] == 3.0


@pytest.mark.parametrize("bug", [ZeroDivisionError("a bug"), RunError("The disk is full."), Interrupted("Stopped", 15)])
def test_what_is_no_trials_fault_stops_the_tune_which_can_go_on(study, pretend, bug):
    broken = [bug]

    def formula(config, epoch):
        if config.epsilon == 0.2 and broken:
            raise broken.pop()
        return parabola(config, epoch)

    config = study(oracle="grid", tune={"epsilon": [0.1, 0.2, 0.3]})
    with pytest.raises(type(bug)):
        tune(config, pretend(formula))
    assert len(tune(resumed(config), pretend(formula)).trials) == 3


def refused(*unusable):
    """The parabola, but some epsilons cannot be used."""

    def formula(config, epoch):
        if config.epsilon in unusable:
            raise jobs.Unusable(f"search in x ended with status 2: no {config.epsilon}.")
        return parabola(config, epoch)

    return formula


@pytest.mark.parametrize("unusable", [0.1, 0.2])
def test_settings_that_one_trial_cannot_use_fail_it_even_if_it_is_the_first(study, pretend, capsys, unusable):
    config = study(oracle="grid", tune={"epsilon": [0.1, 0.2, 0.3]})
    trials = tune(config, pretend(refused(unusable))).trials
    assert {trial.values["epsilon"] for trial in trials} == {0.1, 0.2, 0.3} - {unusable}
    said = capsys.readouterr().err
    assert f"failed: search in x ended with status 2: no {unusable}." in said and "Traceback" not in said


def test_a_tune_whose_first_trials_cannot_be_used_stops_and_may_go_on_without_them(study, pretend):
    config = study(oracle="grid", tune={"epsilon": [0.1, 0.2, 0.3, 0.4, 0.5]})
    run = pretend(refused(0.1, 0.2, 0.3, 0.4))
    with pytest.raises(InputError, match=r"The first 3 trials have failed, the last one so: .* no 0\.3\. Correct it"):
        tune(config, run)
    assert len(run.ran) == 3
    assert [trial.values["epsilon"] for trial in tune(resumed(config), run).trials] == [0.5]
    assert [int(job.run_dir.name) for job in run.ran] == list(range(5))


def test_where_no_trial_succeeds_the_first_one_says_why(study, pretend):
    config = study(oracle="grid", tune={"epsilon": [0.1, 0.2]})
    with pytest.raises(RunError, match=r"No trial succeeded, the first one failed so: .* no 0\.1\. See .*trials.md"):
        tune(config, pretend(refused(0.1, 0.2)))


def test_what_an_objective_needs_is_measured(study, pretend):
    for objective, flag in (("pruned_accuracy", "--gap_every=2"), ("hessian_norm", "--hessian_every=2")):
        run = pretend(parabola)
        config = study(oracle="grid", objective=objective, tune={"epsilon": [0.1, 0.3]})
        config = TuneConfig(file=config.file, run_dir=config.run_dir + objective)
        (best, _) = tune(config, run).trials
        assert best.values["epsilon"] == {"pruned_accuracy": 0.3, "hessian_norm": 0.1}[objective]
        assert all(flag in job.flags for job in run.ran)


def test_retrained_accuracy_of_the_found_cells(study, pretend):
    """The training of each cell follows its search; its best held-out epoch counts."""

    def formula(config, epoch):
        if type(config).__name__ == "SearchConfig":
            return parabola(config, epoch)
        return {"valid_accuracy": 0.9 - abs(epoch - 2) / 10, "valid_loss": 1.0}

    keys = {"retrain": {"epochs": 3, "valid_share": 0.2}, "tune": {"epsilon": [0.1]}}
    run = pretend(formula)
    (trial,) = tune(study(oracle="grid", objective="retrained_valid_accuracy", **keys), run).trials
    assert [job.command for job in run.ran] == ["search", "retrain"]
    assert trial.figures["retrained_valid_accuracy"] == 0.9 and trial.figures["retrained_test_accuracy"] == 0.5


def test_trainings_of_a_given_cell_are_tuned(study, pretend):
    keys = {"command": "retrain", "settings": {"genotype": "c10_s2_pgd", "epochs": 1, "valid_share": 0.2}}
    config = study(**keys, oracle="grid", objective="valid_accuracy", tune={"channels": [4, 8], "flip": [True, False]})
    run = pretend(lambda config, epoch: {"valid_accuracy": config.channels / 10 + config.flip / 100, "valid_loss": 1.0})
    trials = tune(config, run).trials
    assert [trial.values for trial in trials] == [{"channels": c, "flip": f} for c in (8, 4) for f in (1, 0)]


def test_more_trials_may_be_asked_for_and_nothing_else(study, pretend):
    keys = {"oracle": "random", "tune": {"epsilon": {"from": 0.0, "to": 1.0}}}
    tune(study(trials=2, **keys), pretend(parabola))
    config = study(trials=3, **keys)
    run = pretend(parabola)
    assert len(tune(TuneConfig(file=config.file, run_dir=config.run_dir, resume=True), run).trials) == 3
    assert len(run.ran) == 1
    config = study(trials=3, seed=1, **keys)
    with pytest.raises(InputError, match="differs in seed"):
        tune(TuneConfig(file=config.file, run_dir=config.run_dir, resume=True), run)


def test_importance_finds_what_matters(study, pretend):
    """The objective depends on epsilon alone; also TensorBoard's HParams and the pictures are there."""
    tuned = {"epsilon": {"from": 0.0, "to": 1.0}, "channels": [4, 8], "method": ["rs", "adv"]}
    config = study(oracle="random", trials=40, tune=tuned)
    trials = tune(config, pretend(parabola)).trials
    planned = plan.read(pathlib.Path(config.file).read_text(), {})
    found = importance(trials, planned)
    rises = dict(zip(found.names, found.means, strict=True))
    assert found.score > 0.8 and rises["epsilon"] > 0.05
    assert max(abs(rises["channels"]), abs(rises["method"])) < 0.1 * rises["epsilon"]
    assert importance(trials[:9], planned) is None
    for name in ("slices.png", "importance.png"):
        assert (tune_dir(config) / name).read_bytes().startswith(b"\x89PNG")
    assert len(list((tune_dir(config) / "events").glob("*/events*"))) == 40
