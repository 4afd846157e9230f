"""The doctor: what it finds here, what it calls broken, and how near its estimate is."""

import dataclasses
import functools
import importlib.metadata
import pathlib
import re
import shlex
import time
import types

import numpy as np
import pytest

from sdarts_tf import command_line, doctor
from sdarts_tf.analysis import estimate, health
from sdarts_tf.config import DoctorConfig, SearchConfig
from sdarts_tf.data import prepared, sources
from sdarts_tf.errors import InputError, RunError

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TINY = ["--dataset=digits", "--space=s2", "--channels=2", "--cells=3", "--batch_size=16", "--epochs=2"]


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """Function of flags -> what the README's command finds, at a tiny size."""
    return functools.partial(_examine, tmp_path_factory.mktemp("runs") / "x")


def _examine(run_dir, *flags):
    (line,) = re.findall(r"^python -m sdarts_tf\.doctor (.*)$", README, re.MULTILINE)
    flags = [*shlex.split(line, comments=True), *TINY, "--method=rs", f"--run_dir={run_dir}", *flags]
    findings = doctor.examine(command_line.parse(DoctorConfig, flags))
    assert not run_dir.exists()
    return {finding.what: finding for finding in findings}


def test_this_installation_is_sound(examined):
    examined = examined("--noestimate")
    broken = [finding for finding in examined.values() if finding.status == health.BROKEN]
    assert broken == []
    assert list(examined) == [
        *("Python", "packages", "TensorFlow", "disk", "memory", "data"),
        *("devices", "arithmetic", "determinism"),
    ]
    assert "1,437 for train, 360 for test, 10 classes" in examined["data"].said
    assert "bit for bit" in examined["determinism"].said


@pytest.mark.slow
def test_the_estimate_counts_the_steps(examined):
    """718 of 1,437 digits train the weights: 44 batches of 16 in each of 2 epochs."""
    examined = examined()
    assert ": 88 steps of " in examined["time"].said and "batches of 4 and 8" in examined["time"].said


def test_the_line_through_two_measurements():
    assert estimate._extrapolated({4: 1.0, 8: 1.5}, 64) == pytest.approx(8.5)
    assert estimate._extrapolated({1: 1.5}, 1) == 1.5
    assert estimate._extrapolated({4: 1.0, 8: 0.9}, 64) == 0.9  # noise does not make large batches faster
    config = SearchConfig(method="pdarts")
    assert estimate._stage_cells(config) == [5, 11, 17] and estimate._stage_cells(SearchConfig()) == [8]


def test_kernels_that_were_switched_off_are_noted(monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    assert health.devices().status == health.OK
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    found = health.devices()
    assert found.status == health.NOTE and "TF_ENABLE_ONEDNN_OPTS=0" in found.said


def test_the_estimate_in_closed_form(monkeypatch):
    """A step takes 2 s and 0.1 s for each image, memory 100 bytes and 5 for each image and cell."""
    memory = iter([100.0])
    supernet = types.SimpleNamespace(count_params=lambda: 7)
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    built = []

    def build_step(config, *args, **options):
        built.append(config)
        return types.SimpleNamespace(supernet=supernet)

    monkeypatch.setattr(estimate, "build_step", build_step)
    monkeypatch.setattr(estimate, "_memory", lambda: next(memory))
    monkeypatch.setattr(estimate, "_steps", lambda *a: lambda n: (2 + 0.1 * n, 100.0 + 5 * 8 * n, time.perf_counter()))
    monkeypatch.setattr(estimate, "_evaluation_seconds", lambda *a: 3.0)
    config = SearchConfig(dataset="digits", batch_size=16, cells=20, epochs=3, train_share=0.25).completed()
    found = estimate.of_search(config, sources.get("digits"), count=1000)
    assert [(config.cells, config.edges_at_once) for config in built] == [(8, 2)]  # as the search itself is built
    assert (found.batches, found.cells, found.steps) == ((4, 8), 8, 3 * 15)  # 250 // 16
    assert found.seconds_per_step == pytest.approx((2 + 0.1 * 16) * 20 / 8)
    assert found.evaluation_seconds == pytest.approx(3 * 47 * 3.0 * 2 * 20 / 8)  # 750 images in 47 batches
    assert found.peak_bytes == pytest.approx(100 + 5 * 20 * 16 + 2 * 1000 * 8 * 8 * 3)


@pytest.mark.parametrize(("batch_size", "parts"), [(1, 1), (6, 6), (64, 1), (64, 16), (64, 32), (96, 3)])
def test_the_batches_of_an_estimate_can_be_divided(batch_size, parts):
    small, large = estimate._sizes(batch_size, parts)
    assert small % parts == large % parts == 0 and parts <= small <= large <= batch_size
    assert small < large or batch_size == parts


def test_two_tensorflows_are_a_clash(monkeypatch):
    installed = {"tensorflow": "2.21.0", "tensorflow-cpu": "2.21.0"}
    monkeypatch.setattr(health, "_version", installed.get)
    finding = health.tensorflow()
    assert finding.status == health.BROKEN and "pip uninstall -y tensorflow tensorflow-cpu, then" in finding.said
    monkeypatch.setattr(health, "_version", {}.get)
    assert health.tensorflow().said.startswith("not installed; run pip install 'sdarts_tf[cpu]'")


def test_old_and_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["keras>=3.12", "rich>=13", "x>=1; extra == 'y'"])
    monkeypatch.setattr(health, "_version", {"keras": "3.5"}.get)
    finding = health.packages()
    assert finding.status == health.BROKEN
    assert finding.said.startswith("keras is 3.5, >=3.12 is needed; rich is missing, >=13 is needed; run pip")


def test_broken_data_and_settings(tmp_path):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    arrays = {"x_train": images, "y_train": [0, 1, 0, 1], "x_test": images, "y_test": [0, 1, 0, 9]}
    np.savez(tmp_path / "own.npz", **arrays)
    finding = health.data(sources.get(f"npz:{tmp_path / 'own.npz'}"), None)
    assert finding.status == health.BROKEN and "has labels from 0 to 9, but they must be 0 to 1" in finding.said
    with pytest.raises(InputError, match="--space=s9 is unknown"):
        doctor.examine(DoctorConfig(space="s9"))
    assert not sources.is_present("cifar10", str(tmp_path)) and sources.is_present("digits")


def test_what_a_search_refuses_the_doctor_refuses(tmp_path, monkeypatch):
    for wrong in ({"target": "foo"}, {"stop": "eigenvalue"}, {"space": "nasbench201", "method": "pc"}):
        with pytest.raises(InputError):
            doctor.examine(DoctorConfig(**wrong))
    (tmp_path / "file").write_text("")
    finding = health.disk(tmp_path / "file" / "run")
    assert finding.status == health.BROKEN and "file is a file, so that nothing can be written" in finding.said
    (finding,) = doctor._estimated(DoctorConfig(dataset="digits", batch_size=5000).completed(), sources.get("digits"))
    assert finding.status == health.BROKEN and "1,437 images are divided into 718 and 719; give a" in finding.said
    fields = [field.name for field in dataclasses.fields(estimate.Estimate)] + ["seconds"]
    found = types.SimpleNamespace(**dict.fromkeys(fields, 1) | {"batches": (1,)})
    monkeypatch.setattr(estimate, "of_search", lambda *args: found)
    monkeypatch.setattr(health, "free_bytes", lambda folder: 0)
    _, finding = doctor._estimated(DoctorConfig(dataset="digits").completed(), sources.get("digits"))
    assert finding.status == health.BROKEN and "the disk has less, so name another --run_dir" in finding.said


def test_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(prepared, "_prepare", lambda *args: pytest.fail("downloads"))
    found = []
    config = DoctorConfig(dataset="tfds:mnist", data_dir=str(tmp_path)).completed()
    assert doctor._source(config, found.append) is None
    assert found[0].status == health.BROKEN and found[0].said.endswith("; a search would download it")

    def fail(config):
        raise RunError("The download failed; try again.")

    monkeypatch.setattr(doctor.handover, "source", fail)
    assert doctor._source(DoctorConfig(dataset="digits").completed(), found.append) is None
    assert (found[1].status, found[1].said) == (health.BROKEN, "The download failed; try again.")


def test_something_broken_is_status_1(monkeypatch, capsys):
    finding = health.Finding("disk", health.BROKEN, "[no space]")
    monkeypatch.setattr(doctor, "examine", lambda config, told: [finding])
    assert doctor.main(DoctorConfig()) == 1
    assert "[no space]" in capsys.readouterr().out
