"""The rules that stop a search, on recorded searches of others."""

import json
import pathlib

import pytest

from sdarts_tf.methods.stopping import by_eigenvalue, by_skips, parse

RECORDED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "robustdarts_eigenvalues.json"


def ends(values, rule):
    """The epoch at which a rule first answers, and its answer; None if it never does."""
    seen = {}
    for epoch, value in values.items():
        seen[epoch] = value
        back = rule(seen)
        if back is not None:
            return epoch, back
    return None


def test_eigenvalues_of_a_recorded_search():
    values = [0.179, 0.148, 0.170, 0.146, 0.121, 0.249, 0.231, 0.359, 0.225, 0.386, 0.208, 0.430]
    measured = dict(zip(range(0, 24, 2), values, strict=True))
    assert ends(measured, by_eigenvalue) == (22, 10)
    # Averages around the epochs 18 and 10: 0.3216 and 0.2212, whose ratio is 1.454.
    assert ends(measured, lambda seen: by_eigenvalue(seen, ratio=1.4538)) == (22, 10)
    assert ends(measured, lambda seen: by_eigenvalue(seen, ratio=1.4540)) is None
    assert ends(measured, lambda seen: by_eigenvalue(seen, start=11)) is None
    # Those around 16 and 8: 0.29 and 0.1956; an earlier start is met earlier.
    assert ends(measured, lambda seen: by_eigenvalue(seen, start=8)) == (20, 8)


def test_a_window_is_cut_at_the_first_measurement():
    """Measured every 10 epochs: the average around epoch 10 is over the epochs 10 to 30."""
    measured = {10: 1.0, 20: 1.0, 30: 1.0, 40: 1.2, 50: 1.2, 60: 1.35, 70: 1.35}
    assert by_eigenvalue(measured) is None  # (1 + 1.2 + 1.2 + 1.35 + 1.35) / 5 = 1.22 around epoch 50
    assert by_eigenvalue(measured | {70: 1.76}) == 10  # 1.302


def test_falling_and_constant_eigenvalues_go_on():
    assert ends({epoch: 1 / (1 + epoch) for epoch in range(0, 50, 2)}, by_eigenvalue) is None
    assert ends(dict.fromkeys(range(0, 50, 2), 0.1), by_eigenvalue) is None


@pytest.mark.skipif(not RECORDED.exists(), reason="needs the recorded searches of RobustDARTS")
@pytest.mark.parametrize(
    ("space", "weight_decay", "expected"),
    [
        ("s1", 3e-4, [(22, 10), (22, 10), (30, 18)]),
        ("s1", 2.43e-2, [None, None, None]),
        ("s3", 3e-4, [(34, 22), (30, 18), (24, 12)]),
        ("s3", 2.43e-2, [None, None, None]),
    ],
)
def test_recorded_trajectories(space, weight_decay, expected):
    """Searches that end with 7 or 8 skips of 8 edges are stopped, well regularized ones never."""
    runs = [
        run
        for run in json.loads(RECORDED.read_text())["runs"]
        if (run["space"], run["drop_path_prob"], run["weight_decay"]) == (space, 0, weight_decay)
    ]
    found = []
    for run in sorted(runs, key=lambda run: run["seed"]):
        values = dict(zip(run["hessian_epochs"], run["lambda_max"], strict=True))
        values.pop(49)  # an additional measurement at the end
        found.append(ends(values, by_eigenvalue))
    assert found == expected


def test_skips_go_back_to_the_last_genotype_with_fewer():
    skips = {1: 4, 2: 1, 3: 2, 4: 3, 5: 1}
    assert ends(skips, lambda seen: by_skips(seen, limit=2)) == (3, 2)
    assert ends(skips, lambda seen: by_skips(seen, limit=3)) == (4, 3)
    assert ends(skips, lambda seen: by_skips(seen, limit=4)) is None
    assert ends(skips, lambda seen: by_skips(seen, limit=1)) is None


@pytest.mark.parametrize(
    "text", ["", "eigenvalues", "eigenvalue:2", "skips", "skips:", "skips:0", "skips:-1", "skips:x"]
)
def test_unknown_rules_are_refused(text):
    with pytest.raises(ValueError, match=f"^--stop={text} is not known; write eigenvalue, or skips:N"):
        parse(text)
