"""`sdarts_tf.draw` as a command."""

import json

import pytest

from sdarts_tf import command_line, draw
from sdarts_tf.config import DrawConfig
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.drawing import describe


@pytest.fixture
def folder(tmp_path):
    """A search that is not finished: another cell after every epoch."""
    path = tmp_path / "run"
    path.mkdir()
    lines = [{"epoch": epoch, **published.get(name).to_dict()} for epoch, name in enumerate(("c10_s2_pgd", "DARTS_V2"))]
    (path / "config.json").write_text("{}")
    (path / "genotypes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(monkeypatch, *argv):
    monkeypatch.setattr("sys.argv", ["sdarts_tf/draw.py", *map(str, argv)])
    return command_line.run(draw.main, DrawConfig, description="")


def test_a_published_cell_is_drawn_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "--genotype=c10_s5_pgd") == 0
    assert (tmp_path / "c10_s5_pgd.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "c10_s5_pgd.png").read_bytes()[1:4] == b"PNG"
    expected = f"{describe(published.get('c10_s5_pgd'))}\nPicture: c10_s5_pgd.svg and .png\n"
    assert capsys.readouterr().out == expected


def test_a_search_is_drawn_as_far_as_it_came(folder):
    genotype, paths = draw.draw(DrawConfig(run_dir=str(folder)))
    assert genotype == published.get("DARTS_V2") and paths == [folder / "genotype.svg", folder / "genotype.png"]
    (folder / "genotype.json").write_text(published.get("c10_s5_pgd").to_json())
    assert draw.draw(DrawConfig(run_dir=str(folder)))[0] == published.get("c10_s5_pgd")


def test_a_file_is_drawn_where_it_is_asked_for(tmp_path):
    (tmp_path / "found.json").write_text(published.get("DARTS_V2").to_json())
    out = tmp_path / "new" / "cell"
    _, paths = draw.draw(DrawConfig(genotype=str(tmp_path / "found.json"), out=str(out)))
    assert [path.name for path in paths] == ["cell.svg", "cell.png"] and all(path.exists() for path in paths)


def test_bad_input_is_one_sentence(folder, tmp_path, monkeypatch, capsys):
    def sentence(*argv):
        assert run(monkeypatch, *argv) == 2
        return capsys.readouterr().err

    assert "Either --genotype or --run_dir is needed; give one of them." in sentence()
    assert "Either --genotype or --run_dir is needed; give one of them." in sentence("--genotype=a", "--run_dir=b")
    assert "holds neither a search nor a training" in sentence(f"--run_dir={tmp_path}")
    assert "is neither a file nor a published cell" in sentence("--genotype=unknown")
    (folder / "genotypes.jsonl").write_text("{")
    assert "genotypes.jsonl is damaged" in sentence(f"--run_dir={folder}")
    (folder / "genotypes.jsonl").unlink()
    assert "holds no cells yet; wait for the search's first epoch." in sentence(f"--run_dir={folder}")
