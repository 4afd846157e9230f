"""Which folders a run may begin in."""

import pytest

from sdarts_tf.config import RetrainConfig
from sdarts_tf.errors import InputError
from sdarts_tf.training.run_directory import RunDirectory

FILES = {"genotype.json": "{}", "data.json": "{}"}


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run", "retrain", what="a trained network")


def create(directory):
    directory.create(RetrainConfig(genotype="c10_s2_pgd"), "--channels=2\n", checkpoint_bytes=1, files=FILES)


@pytest.mark.parametrize("written", range(4))
@pytest.mark.parametrize("renamed", [False, True], ids=["inside a file", "between files"])
def test_a_run_begins_in_what_a_killed_one_left_behind(directory, monkeypatch, written, renamed):
    """Four files are written, the last of which makes the folder a run."""
    write, names = directory.write, []

    def killed(name, content):
        if len(names) == written:
            if not renamed:
                (directory.path / f".{name}.x0_y1z").write_text("half")
            raise KeyboardInterrupt
        names.append(name)
        write(name, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(directory, "write", killed)
        create(directory)
    directory.require_unused(FILES)
    create(directory)
    with pytest.raises(InputError, match="already holds a trained network; add --resume"):
        directory.require_unused(FILES)


@pytest.mark.parametrize("name", ["notes.txt", ".notes.txt.x0", "checkpoints", "genotype.json"])
def test_what_no_run_leaves_behind_is_not_overwritten(directory, name):
    (directory.path / name).mkdir(parents=True)
    with pytest.raises(InputError, match=r"/run/retrain exists and is not a trained network; name another --run_dir"):
        directory.require_unused()
