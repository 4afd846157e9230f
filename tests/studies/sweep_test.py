"""Sweeps whose runs are pretended: which runs they make, and the numbers in their tables."""

import contextlib
import dataclasses
import json
import pathlib
import statistics

import pytest

from sdarts_tf import config as configuration
from sdarts_tf.config import SweepConfig, TuneConfig
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.studies import matrix
from sdarts_tf.sweep import sweep
from sdarts_tf.training.interruption import Interrupted
from sdarts_tf.tune import tune

AXES = {"method": ["darts", "rs"], "space": ["s2", "s4"], "dataset": ["digits"], "seed": [0, 1, 2]}
LEVEL = {"darts": 0.3, "rs": 0.2}


def formula(config, epoch):
    """Accuracies of which mean, deviation and best are known."""
    if type(config).__name__ == "SearchConfig":
        return {"valid_accuracy": 1 - LEVEL[config.method] - config.seed / 100}
    return {"train_loss": 1.0}


@pytest.fixture
def study(tmp_path):
    """Function of the keys of a file -> the settings of a sweep of it."""

    def make(**keys):
        path = tmp_path / "study.json"
        path.write_text(json.dumps({"sweep": AXES, "settings": {"epochs": 1}, **keys}))
        return SweepConfig(file=str(path), run_dir=str(tmp_path / "sweep"))

    return make


def side_by_side(run, failing=()):
    """Stands in for `jobs.run_all`; runs whose folder is named in `failing` fail."""

    def run_all(chains, environments, tell):
        failures = []
        for chain in chains:
            if chain[0].run_dir.name in failing:
                failures.append(RunError(f"search in {chain[0].run_dir} ended with status 1: Oh."))
            else:
                run(chain)
        return failures

    return run_all


def test_runs_and_tables(study, pretend):
    run, config = pretend(formula), study()
    result = sweep(config, side_by_side(run))
    names = [job.run_dir.name for job in run.ran]
    assert names[:4] == ["darts-s2-digits-0", "darts-s4-digits-0", "rs-s2-digits-0", "rs-s4-digits-0"]
    assert len(set(names)) == 12
    # Errors of 30, 31, 32 % and 20, 21, 22 %.
    row = ["digits", "31.00 ± 1.00 (30.00)", "21.00 ± 1.00 (20.00)"]
    assert result.table == [["space", "dataset", "darts", "rs"], ["s2", *row], ["s4", *row]]
    folder = pathlib.Path(config.run_dir)
    assert (
        (folder / "table.md")
        .read_text()
        .startswith("Valid error in percent: mean ± deviation over 3 seeds (best).\n\n| space |")
    )
    assert r"s2 & digits & 31.00 $\pm$ 1.00 (30.00) & 21.00 $\pm$ 1.00 (20.00) \\" in (folder / "table.tex").read_text()
    assert "s4,digits,31.00 ± 1.00 (30.00),21.00 ± 1.00 (20.00)" in (folder / "table.csv").read_text()
    lines = (folder / "runs.csv").read_text().splitlines()
    assert lines[0] == "method,space,dataset,seed,epoch,valid_accuracy,valid_error" and len(lines) == 13
    assert statistics.mean(float(line.split(",")[6]) for line in lines[1:]) == pytest.approx(0.26)


def test_trained_cells_have_the_seed_of_their_search(study, pretend):
    run = pretend(formula)
    table = sweep(study(retrain={"epochs": 1}), side_by_side(run)).table
    assert [job.command for job in run.ran[:2]] == ["search", "retrain"]
    # Pretended test accuracies of 50, 51 and 52 %, whatever the method.
    assert table[1][2:] == ["49.00 ± 1.00 (48.00)"] * 2


def test_a_data_folder_that_moved_reaches_searches_and_trainings(study, pretend):
    run, config = pretend(formula), study(retrain={"epochs": 1}, settings={"epochs": 1, "data_dir": "old"})
    with pytest.raises(RunError):
        sweep(config, side_by_side(run, failing=["rs-s2-digits-1"]))
    run = pretend(formula)
    sweep(SweepConfig(run_dir=config.run_dir, resume=True, data_dir="new"), side_by_side(run))
    assert [(job.command, job.always) for job in run.ran] == [
        ("search", ("--data_dir=new",)),
        ("retrain", ("--data_dir=new",)),
    ]


def test_failures_are_told_at_the_end_and_tried_again(study, pretend):
    run, config = pretend(formula), study()
    with pytest.raises(RunError, match=r"1 of the runs failed, first: search in .*rs-s2-digits-1 .* Oh"):
        sweep(config, side_by_side(run, failing=["rs-s2-digits-1"]))
    table = (pathlib.Path(config.run_dir) / "table.md").read_text()
    assert "| 31.00 ± 1.00 (30.00) | 21.00 ± 1.41 (20.00, 2 of 3) |" in table
    again = SweepConfig(run_dir=config.run_dir, resume=True)
    assert sweep(again, side_by_side(run)).table[1][3] == "21.00 ± 1.00 (20.00)"
    assert len(run.ran) == 12


def test_a_sweep_that_goes_on_may_have_other_values_figures_and_gaps(study, pretend):
    run = pretend(formula)
    sweep(study(), side_by_side(run))
    wider = study(sweep=AXES | {"seed": [0, 1, 2, 3]}, skip=[{"space": "s4"}], figure="valid_accuracy")
    again = SweepConfig(file=wider.file, run_dir=wider.run_dir, resume=True)
    assert sweep(again, side_by_side(run)).table[1:] == [
        ["s2", "digits", "68.50 ± 1.29 (70.00)", "78.50 ± 1.29 (80.00)"]
    ]
    assert [job.run_dir.name for job in run.ran[12:]] == ["darts-s2-digits-3", "rs-s2-digits-3"]
    assert len(sweep(SweepConfig(run_dir=wider.run_dir, resume=True), side_by_side(run)).table) == 2


@pytest.mark.parametrize(
    "keys, named",
    [
        ({"settings": {"epochs": 2}}, "settings"),
        ({"retrain": {"epochs": 1}}, "retrain"),
        ({"sweep": AXES | {"epsilon": [0.1]}}, "names and order of the swept settings"),
        ({"sweep": dict(reversed(AXES.items()))}, "names and order of the swept settings"),
    ],
)
def test_a_sweep_that_goes_on_keeps_what_its_runs_are_made_of(study, pretend, keys, named):
    sweep(study(), side_by_side(pretend(formula)))
    config = study(**keys)
    before = (pathlib.Path(config.run_dir) / "sweep.json").read_text()
    with pytest.raises(InputError, match=f"differs in {named} from the file that the sweep began with"):
        sweep(SweepConfig(file=config.file, run_dir=config.run_dir, resume=True), side_by_side(pretend(formula)))
    assert (pathlib.Path(config.run_dir) / "sweep.json").read_text() == before


def test_flag_files_are_read_once(study, pretend, tmp_path):
    """What a flag file says later is of no matter, unless the file of the sweep is given again."""
    path = tmp_path / "some.flags"
    path.write_text("--channels=4\n--seed=2\n--run_dir=elsewhere\n--stop_after=1\n")
    keys = {"sweep": {"method": ["darts", "rs"]}, "settings": {"flagfile": str(path), "epochs": 3}}
    keys |= {"retrain": {"flagfile": str(path), "epochs": 1}}
    run, config = pretend(formula), study(**keys)
    with pytest.raises(RunError):
        sweep(config, side_by_side(run, failing=["rs-2"]))
    path.write_text("--channels=8\n")
    sweep(SweepConfig(run_dir=config.run_dir, resume=True), side_by_side(run))
    assert len(run.ran) == 4 and all({"--channels=4", "--seed=2"} <= set(job.flags) for job in run.ran)
    kept = json.loads((pathlib.Path(config.run_dir) / "sweep.json").read_text())
    assert kept["settings"] == {"epochs": 3, "channels": 4, "seed": 2}
    with pytest.raises(InputError, match="differs in retrain, settings"):
        sweep(SweepConfig(file=config.file, run_dir=config.run_dir, resume=True), side_by_side(run))


PLUGIN = 'SPACES = {"mine": ("skip_connect", "sep_conv_3x3")}'


def test_a_plugin_is_kept(study, pretend, tmp_path, as_in_a_new_process):
    path = tmp_path / "own.py"
    path.write_text(PLUGIN)
    run, config = pretend(formula), study(sweep={"space": ["mine"]}, settings={"plugin": str(path), "epochs": 1})
    with as_in_a_new_process(), pytest.raises(RunError):
        sweep(config, side_by_side(run, failing=["mine-rs-2"]))
    path.write_text("SPACES = {}")
    with as_in_a_new_process():
        sweep(SweepConfig(run_dir=config.run_dir, resume=True), side_by_side(run))
    (job,) = run.ran
    assert f"--plugin={config.run_dir}/plugin.py" in job.flags
    assert (pathlib.Path(config.run_dir) / "plugin.py").read_text() == PLUGIN


def test_methods_and_seeds_that_are_not_swept_are_those_of_the_settings():
    found = matrix.read(json.dumps({"sweep": {"space": ["s2"]}, "settings": {"method": "adv", "seed": 7}}), {})
    assert found.cells() == [{"space": "s2", "method": "adv", "seed": 7}]


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_run_without_the_figure_is_counted_as_missing(study, pretend, tmp_path, interrupted):
    """The table of a benchmark may lack a genotype; an interruption is told all the same."""

    def partial(config, epoch):
        return {"valid_accuracy": 0.5} | ({"true_test_accuracy": 0.9 + config.seed / 100} if config.seed else {})

    def run_all(chains, environments, tell):
        side_by_side(pretend(partial))(chains, environments, tell)
        if interrupted:
            raise Interrupted("Stopped.", 15)
        return []

    config = study(settings={"epochs": 1, "benchmark": "table.csv"})
    with pytest.raises(Interrupted) if interrupted else contextlib.nullcontext():
        assert sweep(config, run_all).table[1][2:] == ["8.50 ± 0.71 (8.00, 2 of 3)"] * 2
    assert (tmp_path / "sweep" / "table.md").exists()


def test_runs_of_texts_are_compared_by_their_perplexities(study, pretend):
    def perplexities(config, epoch):
        return {"valid_loss": 1.0, "valid_perplexity": 100.0 + config.seed}

    keys = {"sweep": {"space": ["recurrent"], "seed": [0, 1]}, "settings": {"epochs": 1, "dataset": "text"}}
    result = sweep(study(**keys), side_by_side(pretend(perplexities)))
    assert result.table == [["space", "rs"], ["recurrent", "100.500 ± 0.707 (100.000)"]]
    assert matrix.read(json.dumps({**keys, "retrain": {"epochs": 1}}), {}).figure == "retrained_test_perplexity"
    mixed = {"space": ["recurrent", "s2"], "method": ["rs"]}
    with pytest.raises(InputError, match="The run s2-rs-2: --dataset=text is not for the space s2"):
        matrix.read(json.dumps({**keys, "sweep": mixed}), {})


def test_a_figure_that_no_run_has_is_told_and_may_be_corrected(study, pretend):
    run, config = pretend(formula), study(figure="valid_perplexity")
    with pytest.raises(InputError, match="the figure valid_perplexity; there are valid_accuracy, valid_error"):
        sweep(config, side_by_side(run))
    again = SweepConfig(file=study(figure="valid_accuracy").file, run_dir=config.run_dir, resume=True)
    assert sweep(again, side_by_side(run)).table[1][2] == "69.00 ± 1.00 (70.00)"
    assert len(run.ran) == 12


def test_what_is_left_to_run_shares_the_machine(study, pretend, monkeypatch):
    """Of twelve runs one has failed; for it alone there are all cores."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    given = []

    def run_all(chains, environments, tell):
        given.append((len(chains), environments))
        return side_by_side(pretend(formula), failing=["rs-s2-digits-1"] if len(given) == 1 else [])(
            chains, environments, tell
        )

    config = study()
    with pytest.raises(RunError):
        sweep(dataclasses.replace(config, jobs=3), run_all)
    sweep(SweepConfig(run_dir=config.run_dir, resume=True, jobs=3), run_all)
    assert [(chains, len(environments)) for chains, environments in given] == [(12, 3), (1, 1)] and given[1][1] == [{}]


def test_a_search_that_stops_early_is_judged_by_its_trained_cell():
    text = json.dumps({"sweep": {"stop": ["skips:2"]}, "settings": {"epochs": 2}, "retrain": {"epochs": 1}})
    assert matrix.read(text, {}).config({"stop": "skips:2"}).stop == "skips:2"


def test_any_setting_can_be_swept_and_combinations_left_out():
    axes = {"method": ["rs", "adv"], "pgd_steps": [1, 7], "seed": [0]}
    found = matrix.read(json.dumps({"sweep": axes, "skip": [{"method": "rs", "pgd_steps": 7}]}), {})
    assert [tuple(cell.values()) for cell in found.cells()] == [("rs", 1, 0), ("adv", 1, 0), ("adv", 7, 0)]
    listed = matrix.read(json.dumps({"sweep": axes, "skip": [{"method": ["adv"], "pgd_steps": [1, 7]}]}), {})
    assert [tuple(cell.values()) for cell in listed.cells()] == [("rs", 1, 0), ("rs", 7, 0)]


WRONG = {
    "The file names no runs": {"sweep": {"method": "rs"}},
    "The setting of search 'methud' is not known; did you mean 'method'?": {"sweep": {"methud": ["rs"]}},
    "--epsilon=-1.0 is out of range": {"sweep": {"epsilon": [-1]}},
    "Two runs would lie in the same folder": {"sweep": {"seed": [1, 1]}},
    "The file skips all of its runs": {"sweep": {"seed": [1]}, "skip": [{"seed": 1}]},
    "give a list of objects with values of": {"skip": [{"channels": 1}]},
    'skip has method ["rs", "r"]; choose from the swept ones, "rs".': {"skip": [{"method": ["rs", "r"]}]},
    "skip has method []": {"skip": [{"method": []}]},
    "stop=skips:2 ends with an earlier epoch": {"settings": {"stop": "skips:2"}, "figure": "pruned_accuracy"},
    "stop=skips:3 ends with an earlier epoch": {"sweep": {"stop": ["skips:3"]}},
    "The figure 'test_error' is not known": {"figure": "test_error"},
    "retrained_test_error needs trainings": {"figure": "retrained_test_error"},
    "true_test_accuracy is looked up": {"figure": "true_test_error"},
    "The run dartz-2: ": {"sweep": {"method": ["rs", "dartz"]}},
    "--space=s2x is unknown": {"settings": {"space": "s2x"}},
    "--dataset=digitz is unknown": {"sweep": {"dataset": ["digits", "digitz"]}},
    "--method=rs+pc: 'pc' needs the cells of DARTS": {"sweep": {"method": ["rs", "rs+pc"], "space": ["nasbench201"]}},
    "--dataset=ptb is not for the space s5": {"retrain": {"dataset": "ptb"}},
    "flagfile cannot be swept; put it among the settings": {"sweep": {"flagfile": ["a", "b"]}},
    "leave plugin out of retrain": {"retrain": {"plugin": "own.py"}},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_the_file_must_not_say(sentence):
    with pytest.raises(InputError) as raised:
        matrix.read(json.dumps({"sweep": {"method": ["rs"]}, **WRONG[sentence]}), {})
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_of_two_answers_is_refused():
    with pytest.raises(InputError, match="it has the key 'seed' twice"):
        matrix.read('{"sweep": {"seed": [0], "seed": [1]}}', {})


def test_the_folder_of_a_tune_holds_no_sweep_and_the_reverse(tmp_path):
    pytest.importorskip("keras_tuner", reason="needs the extra tune")
    for name, other, command in (("tune", SweepConfig, sweep), ("sweep", TuneConfig, tune)):
        folder = tmp_path / f"a_{name}"
        folder.mkdir()
        written = TuneConfig if name == "tune" else SweepConfig
        (folder / "config.json").write_text(configuration.to_json(written()))
        (folder / f"{name}.json").write_text("{}")
        with pytest.raises(InputError, match=f"a_{name} holds no {command.__name__} to resume; name the folder of one"):
            command(other(run_dir=str(folder), resume=True))


def test_the_shown_file_is_a_sweep():
    text = (pathlib.Path(__file__).parents[2] / "examples" / "sweep_digits.json").read_text()
    assert len(matrix.read(text, {}).cells()) == 12


def test_folders_and_files_that_cannot_be_used(study, tmp_path):
    config = study()
    for given, sentence in (
        (SweepConfig(), "--file is needed"),
        (SweepConfig(file=str(tmp_path / "none.json")), "cannot be read (No such file"),
        (SweepConfig(resume=True), "--run_dir is needed"),
        (SweepConfig(resume=True, run_dir=str(tmp_path / "none")), "holds no sweep to resume"),
        (SweepConfig(file=config.file, run_dir=str(tmp_path)), "exists and is not a sweep"),
    ):
        with pytest.raises(InputError) as raised:
            sweep(given, side_by_side(None))
        assert sentence in str(raised.value)
    assert not pathlib.Path(config.run_dir).exists()
