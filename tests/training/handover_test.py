"""What a retraining takes over from what lies in its run's folder."""

import dataclasses

import pytest

from sdarts_tf import config as configuration
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.spaces import nasbench201_cells
from sdarts_tf.training import handover


@pytest.fixture
def searched(tmp_path):
    """The folder of a finished search on SVHN in /data."""
    config = SearchConfig(dataset="svhn", data_dir="/data")
    (tmp_path / "config.json").write_text(configuration.to_json(config))
    (tmp_path / "genotype.json").write_text(published.get("c10_s2_pgd").to_json())
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("svhn", "/data")),
        ({"dataset": "svhn"}, ("svhn", "/data")),
        ({"data_dir": "/mine"}, ("svhn", "/mine")),
        ({"dataset": "cifar10"}, ("cifar10", None)),
        ({"dataset": "cifar10", "data_dir": "/mine"}, ("cifar10", "/mine")),
    ],
)
def test_a_data_folder_is_taken_over_with_its_data_set_only(searched, given, expected):
    config = handover.complete(RetrainConfig(run_dir=str(searched), **given))
    assert (config.dataset, config.data_dir) == expected
    assert config.genotype == str(searched / "genotype.json")


def test_a_run_keeps_the_size_that_its_space_has_by_default():
    """Also with one cell in each stage, which a search allows too; recurrent cells have no such size."""
    genotype = nasbench201_cells.parse(next(nasbench201_cells.architectures()))
    sizes = [handover.sized(RetrainConfig(**given), genotype) for given in ({}, {"cells": 1}, {"channels": 8})]
    assert [(config.channels, config.cells) for config in sizes] == [(16, 5), (16, 1), (8, 5)]
    assert handover.sized(RetrainConfig(), published.get("DARTS_V2")).cells == 20
    assert handover.sized(RetrainConfig(), published.get("penn_pgd")) == RetrainConfig()
    with pytest.raises(InputError, match="--cells=2 is out of range; the space nasbench1shot1_1 needs at least 3"):
        handover.sized(RetrainConfig(cells=2), dataclasses.replace(genotype, space="nasbench1shot1_1"))


def test_an_unfinished_search_is_to_be_finished(searched):
    (searched / "genotype.json").unlink()
    with pytest.raises(
        InputError, match=r"holds no genotype\.json; finish its search \(python -m sdarts_tf\.search --resume"
    ):
        handover.complete(RetrainConfig(run_dir=str(searched)))


def test_a_folder_of_imported_weights_is_no_search(tmp_path):
    """With its genotype, and without it after an import that was stopped: then there is no search to finish."""
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match=r"holds no genotype\.json; name the folder of a search, or add --genotype\.$"):
        handover.complete(RetrainConfig(run_dir=str(tmp_path)))
    (tmp_path / "genotype.json").write_text(published.get("c10_s2_pgd").to_json())
    config = handover.complete(RetrainConfig(run_dir=str(tmp_path)))
    assert (config.genotype, config.dataset) == (str(tmp_path / "genotype.json"), "cifar10")


def test_the_default_folder_is_named_after_the_search_of_a_genotype(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genotype.json").write_text(published.get("c10_s2_pgd").to_json())
    assert handover.run_dir(RetrainConfig(genotype="genotype.json")) == f"runs/{tmp_path.name}-cifar10-0"
