"""The file of a tune: what its parameters become, and one sentence for whatever it must not say."""

import json
import pathlib

import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.studies import plan

GRID = {"objective": "hessian_norm", "oracle": "grid", "tune": {"epsilon": [0.1]}}


def read(**keys):
    return plan.read(json.dumps({**GRID, **keys}), {})


def parameter(given, name="epsilon", **keys):
    return read(oracle="random", trials=3, tune={name: given}, **keys).parameters[0]


def test_a_step_gives_both_ends_and_round_values():
    assert parameter({"from": 0, "to": 1, "step": 0.1}).values == tuple(number / 10 for number in range(11))
    assert parameter({"from": 1, "to": 7, "step": 3}, "pgd_steps").values == (1, 4, 7)


def test_a_range_has_whole_numbers_where_the_setting_has():
    assert not parameter({"from": 0, "to": 1}).whole and parameter({"from": 1, "to": 9}, "pgd_steps").whole
    found = parameter({"from": 0.03, "to": 0.3, "scale": "log"})
    assert (found.low, found.high, found.scale, found.limits()) == (0.03, 0.3, "log", (0.03, 0.3))


def test_settings_are_flags_of_which_later_ones_count(tmp_path):
    file = tmp_path / "some.flags"
    file.write_text("--channels=4\n--epochs=7\n")
    text = json.dumps({**GRID, "settings": {"flagfile": str(file), "epochs": 3, "flip": False, "data_dir": "a"}})
    config = plan.read(text, {"data_dir": "b", "benchmark": None}).settings_config()
    assert (config.channels, config.epochs, config.flip, config.data_dir) == (4, 3, False, "b")


WRONG = {
    "The file's key 'objektive' is not known; did you mean 'objective'?": {"objektive": "x"},
    "The objective 'hesian_norm' is not known; did you mean 'hessian_norm'?": {"objective": "hesian_norm"},
    "The oracle 'gird' is not known; did you mean 'grid'?": {"oracle": "gird"},
    "The setting of search 'epsilonn' is not known; did you mean 'epsilon'?": {"tune": {"epsilonn": [1]}},
    "The setting of search 'run_dir' is not known": {"settings": {"run_dir": "x"}},
    "--epsilon=-0.1 is out of range": {"tune": {"epsilon": [0.1, -0.1]}},
    "--epsilon=x is not allowed; the value must be a number": {"settings": {"epsilon": "x"}},
    "The file tunes nothing": {"tune": {}},
    "flagfile cannot be tuned": {"tune": {"flagfile": ["a", "b"]}},
    "plugin cannot be tuned": {"tune": {"plugin": ["a.py", "b.py"]}},
    "epsilon is 0.3; give a list of values": {"tune": {"epsilon": 0.3}},
    "give values, or numbers from and": {"tune": {"epsilon": {"from": 1, "to": 0.1}}},
    "The key of epsilon 'form' is not known; did you mean 'from'?": {"tune": {"epsilon": {"form": 0, "to": 1}}},
    "cannot go from 0 to 1 in steps of 0.3": {"tune": {"epsilon": {"from": 0, "to": 1, "step": 0.3}}},
    "cannot go from 0 to 1 in steps of 1e-300": {"tune": {"epsilon": {"from": 0, "to": 1, "step": 1e-300}}},
    "epsilon has from and to beside values": {"tune": {"epsilon": {"values": [0.1], "from": 0, "to": 1}}},
    "epsilon has scale beside values": {"tune": {"epsilon": {"values": [0.1], "scale": "log"}}},
    "epsilon has scale beside step": {"tune": {"epsilon": {"from": 1, "to": 2, "step": 1, "scale": "log"}}},
    "The grid needs single values of epsilon": {"tune": {"epsilon": {"from": 0, "to": 1}}},
    "a log scale needs a number above 0": {"tune": {"epsilon": {"from": 0, "to": 1, "scale": "log"}}},
    "give a list without repetitions": {"tune": {"epsilon": [0.1, 0.1]}},
    'epsilon has the values ["a", 0.1]; give values of one type': {"tune": {"epsilon": ["a", 0.1]}},
    "epsilon has the values [null, 0.1]": {"tune": {"epsilon": [None, 0.1]}},
    'method has the values [["rs"]]': {"tune": {"method": [["rs"]]}},
    'epsilon is tuned when "rs"; write "when": ': {"tune": {"epsilon": {"values": [0.1], "when": "rs"}}},
    "epsilon is tuned when method is ['rs']; name a parameter above it": {
        "tune": {"method": ["rs"], "epsilon": {"values": [0.1], "when": {"method": [["rs"]]}}}
    },
    "epsilon is tuned when method is one of none": {
        "tune": {"method": ["rs"], "epsilon": {"values": [0.1], "when": {"method": []}}}
    },
    "The setting of search 'check_data' is not known": {"settings": {"check_data": True}},
    "stop=skips:3 ends with an earlier epoch": {"tune": {"stop": ["skips:3"]}},
    "name a parameter above it": {"tune": {"epsilon": {"values": [0.1], "when": {"method": ["rs"]}}}},
    "The oracle random needs a number of trials": {"oracle": "random"},
    "trials is 0; give a whole number that is at least 1": {"trials": 0},
    "seed is 4294967296; give a whole number that is between 0 and 2147483647": {"seed": 2**32},
    "Hyperband makes as many trials as": {"oracle": "hyperband", "trials": 3},
    "Hyperband tunes the epochs itself": {"oracle": "hyperband", "tune": {"epochs": [1, 2]}},
    "true_test_accuracy is looked up in the table of a benchmark": {"objective": "true_test_accuracy"},
    "retrained_test_accuracy needs trainings": {"objective": "retrained_test_accuracy"},
    "add a valid_share": {"objective": "retrained_valid_accuracy", "retrain": {"epochs": 2}},
    "compares unfinished runs": {"objective": "retrained_test_accuracy", "oracle": "hyperband", "retrain": {}},
    "stop=skips:2 ends with an earlier epoch": {"settings": {"stop": "skips:2"}},
    "'dartz'": {"tune": {"method": ["rs", "dartz"]}},
    "--space=s2x is unknown": {"settings": {"space": "s2x"}},
    "--dataset=digitz is unknown": {"tune": {"dataset": ["digits", "digitz"]}},
    "--target=madds is no target": {"tune": {"target": ["params:1e6", "madds"]}},
    "--dataset=ptb is not for the space s5": {
        "objective": "retrained_test_accuracy",
        "retrain": {"dataset": "ptb"},
    },
    'add "genotype"': {"command": "retrain", "objective": "test_loss", "tune": {"drop_path": [0.1]}},
    "--genotype=c10_s9_pgd is neither a file": {
        "command": "retrain",
        "objective": "test_loss",
        "tune": {"genotype": ["c10_s5_pgd", "c10_s9_pgd"]},
    },
    "pauses one search": {"oracle": "hyperband", "settings": {"method": "rs+pdarts", "epochs": 3}},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_the_file_must_not_say(sentence):
    with pytest.raises(InputError) as raised:
        read(**WRONG[sentence])
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_a_value_may_need_values_of_others():
    """Neither a recurrent space nor a text goes with the defaults; a pair of methods and spaces may be of no use."""
    tuned = {"space": ["s5", "recurrent"], "dataset": {"values": ["ptb"], "when": {"space": ["recurrent"]}}}
    assert read(objective="valid_loss", tune=tuned).parameters[1].values == ("ptb",)
    free = {"dataset": ["digits", "ptb"], "space": ["s5", "recurrent"], "epsilon": [0.1, 0.2]}
    assert len(read(objective="valid_loss", tune=free).parameters) == 3
    with pytest.raises(InputError, match="--dataset=ptb is not for the space s5"):
        read(objective="valid_loss", tune={"dataset": ["digits", "ptb"]})


NO_OBJECTS = {
    "{": "not JSON (Expecting property name",
    "[1]": "no JSON object",
    "3": "no JSON object",
    "[" * 100_000: "not JSON (it is nested too deeply)",
    '{"tune": {"epsilon": [0.1]}, "tune": {"epsilon": [0.2]}}': "it has the key 'tune' twice",
    '{"tune": {"epsilon": {"from": 0, "to": Infinity, "step": 1}}}': "Infinity is no number that can be used",
    '{"tune": {"epsilon": {"from": NaN, "to": 1}}}': "NaN is no number that can be used",
    '{"tune": {"epsilon": {"from": 0, "to": 1e999}}}': "1e999 is no number that can be used",
    '{"seed": 1' + 400 * "0" + "}": "1" + 19 * "0" + " is no number that can be used",
}


@pytest.mark.parametrize("text", NO_OBJECTS, ids=[text[:40] for text in NO_OBJECTS])
def test_what_is_no_object(text):
    with pytest.raises(InputError, match=r"not JSON|no JSON object") as raised:
        plan.read(text, {})
    assert NO_OBJECTS[text] in str(raised.value)


def test_the_shown_files_are_plans(monkeypatch):
    monkeypatch.chdir(pathlib.Path(__file__).parents[2])  # for the flag files that they name
    shown = sorted(pathlib.Path("examples").glob("tune_*.json"))
    assert len(shown) == 3
    for path in shown:
        found = plan.read(path.read_text(), {"benchmark": "nasbench201.csv"})
        assert found.parameters and found.settings_config().epochs
