"""`sdarts_tf.query` with a small table of NAS-Bench-201."""

import json

import pytest

from sdarts_tf import command_line
from sdarts_tf import config as configuration
from sdarts_tf.config import QueryConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.query import main, query
from sdarts_tf.spaces import nasbench201_cells

WORST = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
MIDDLE = WORST.replace("none~2", "nor_conv_1x1~2")
BEST = WORST.replace("none", "nor_conv_3x3")
MISSING = WORST.replace("none", "skip_connect")


@pytest.fixture
def table(tmp_path):
    rows = [f"{WORST},10,9.5", f"{MIDDLE},80,70", f"{BEST},94,", f"{BEST.replace('3x3~0', '1x1~0')},80,60"]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["architecture,cifar10_test,cifar10_valid_12ep", *rows]))
    return str(path)


@pytest.fixture
def run(tmp_path, table):
    folder = tmp_path / "run"
    folder.mkdir()
    config = SearchConfig(space="nasbench201", benchmark=table, dataset="digits", benchmark_dataset="cifar10")
    (folder / "config.json").write_text(configuration.to_json(config))
    genotypes = [nasbench201_cells.parse(name) for name in (MIDDLE, BEST, MISSING)]
    lines = [json.dumps({"epoch": epoch, **genotype.to_dict()}) for epoch, genotype in enumerate(genotypes)]
    (folder / "genotypes.jsonl").write_text("\n".join(lines) + "\n")
    return str(folder)


def test_one_genotype_by_name_and_by_file(tmp_path, table):
    (answer,) = query(QueryConfig(genotype=MIDDLE, benchmark=table))
    accuracies = {"true_test_accuracy": 0.8, "true_valid_accuracy": 0.7, "regret": 0.14}
    assert answer == {"architecture": MIDDLE, **accuracies, "rank": 2, "architectures": 4}
    path = tmp_path / "genotype.json"
    path.write_text(nasbench201_cells.parse(WORST).to_json())
    (answer,) = query(QueryConfig(genotype=str(path), benchmark=table))
    assert (answer["architecture"], answer["rank"], answer["regret"]) == (WORST, 4, 0.84)


def test_every_epoch_of_a_run(run, capsys):
    """Equal accuracies share a rank; what the table lacks has a name only."""
    answers = query(QueryConfig(run_dir=run))
    assert [answer.get("rank") for answer in answers] == [2, 1, None]
    assert answers[1] == {
        "epoch": 1,
        "architecture": BEST,
        "true_test_accuracy": 0.94,
        "regret": 0.0,
        "rank": 1,
        "architectures": 4,
    }
    assert answers[2] == {"epoch": 2, "architecture": MISSING}
    main(command_line.parse(QueryConfig, [f"--run_dir={run}"]))
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["epoch", "test", "valid_12ep", "regret", "rank", "architecture"],
        ["0", "80.00%", "70.00%", "14.00%", "2", MIDDLE],
        ["1", "94.00%", "-", "0.00%", "1", BEST],
        ["2", "-", "-", "-", "-", MISSING],
        ["Ranked", "among", "4", "architectures."],
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "Either --genotype or --run_dir is needed"),
        ({"genotype": WORST, "run_dir": "run"}, "Either --genotype or --run_dir is needed"),
        ({"genotype": WORST}, "--benchmark is needed"),
        ({"genotype": "|none~0|"}, r"is no architecture of NAS-Bench-201; write \|op~0\|"),
        ({"genotype": "neither"}, "--genotype=neither is neither a file nor a published cell"),
        ({"genotype": "DARTS_V2", "benchmark": "table.csv"}, "cannot be of the space darts; benchmarks are of"),
        ({"run_dir": "nowhere"}, "--run_dir=nowhere holds no search"),
    ],
)
def test_a_mistake_is_one_sentence(flags, message):
    with pytest.raises(InputError, match=message):
        query(QueryConfig(**flags))


@pytest.mark.parametrize("line", ['{"epoch": 1, "space"', "3", '{"space": "nasbench201"}'])
def test_a_damaged_line_is_one_sentence(run, tmp_path, line):
    with open(tmp_path / "run" / "genotypes.jsonl", "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"Line 4 of .*genotypes\.jsonl is damaged .*; restore the file, or start"):
        query(QueryConfig(run_dir=run))


def test_a_run_without_genotypes(run, tmp_path):
    (tmp_path / "run" / "genotypes.jsonl").unlink()
    with pytest.raises(InputError, match="holds no genotypes yet; wait for the search's start"):
        query(QueryConfig(run_dir=run))
