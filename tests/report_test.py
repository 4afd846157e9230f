"""`sdarts_tf.report` as a command."""

import pytest

from sdarts_tf import command_line, report
from sdarts_tf.config import ReportConfig


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "config.json").write_text('{"method": "rs", "space": "s2", "epochs": 3}')
    return path


def run(monkeypatch, *argv):
    monkeypatch.setattr("sys.argv", ["sdarts_tf/report.py", *map(str, argv)])
    return command_line.run(report.main, ReportConfig, description="")


def test_it_lies_in_the_first_run(folder, tmp_path, monkeypatch, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    assert run(monkeypatch, f"--run_dir={folder}", f"--run_dir={other}") == 0
    assert capsys.readouterr().out == f"Report: {folder / 'report.html'}\n"
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_it_is_written_where_it_is_asked_for_and_replaced(folder, tmp_path):
    path = tmp_path / "new" / "page.html"
    config = ReportConfig(run_dir=(str(folder),), out=str(path))
    assert report.report(config) == report.report(config) == path and path.stat().st_size > 5000


def test_bad_input_is_one_sentence(folder, tmp_path, monkeypatch, capsys):
    def sentence(*argv):
        assert run(monkeypatch, *argv) == 2
        return capsys.readouterr().err

    assert "--run_dir is needed: name the folder of a run" in sentence()
    assert "holds neither a search nor a training" in sentence(f"--run_dir={tmp_path}")
    assert f"--run_dir has {folder} twice" in sentence(f"--run_dir={folder},{folder}")
    assert "name a file in a folder." in sentence(f"--run_dir={folder}", f"--out={tmp_path}")
    assert "name a file in a folder." in sentence(f"--run_dir={folder}", f"--out={folder}/config.json/x.html")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json"]
