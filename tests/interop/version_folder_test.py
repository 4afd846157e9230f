"""Numbered versions, written whole or not at all."""

import pytest

from sdarts_tf.errors import InputError
from sdarts_tf.interop import version_folder


def write(out, text="model"):
    with version_folder.new_version(out) as folder:
        (folder / "model.txt").write_text(text)


def names(out):
    return sorted(path.name for path in out.iterdir())


def test_versions_are_counted(tmp_path):
    out = tmp_path / "a" / "b"
    write(out)
    write(out)
    assert names(out) == ["1", "2"]


def test_the_next_number_follows_the_largest_one(tmp_path):
    (tmp_path / "9").mkdir()
    (tmp_path / "10").mkdir()
    write(tmp_path)
    assert names(tmp_path) == ["10", "11", "9"]
    assert version_folder.latest(tmp_path).name == "11"


def test_a_server_may_read_it(tmp_path):
    write(tmp_path / "out")
    assert (tmp_path / "out" / "1").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, existing, failure):
    out = tmp_path / "out"
    if existing:
        write(out)
    with pytest.raises(failure), version_folder.new_version(out) as folder:
        (folder / "half").write_text("a")
        raise failure
    assert names(out) == ["1"] if existing else not out.exists()


def test_what_an_interrupted_export_left_is_no_obstacle(tmp_path):
    (tmp_path / ".export-xyz").mkdir()
    write(tmp_path)
    assert names(tmp_path) == [".export-xyz", "1"]


@pytest.mark.parametrize("strange", ["notes.txt", "1a", "²"])
def test_a_folder_with_something_else_is_refused(tmp_path, strange):
    (tmp_path / strange).write_text("mine")
    with pytest.raises(InputError, match=f"holds '{strange}', so it is no folder of exports; name a new folder"):
        write(tmp_path)
    assert names(tmp_path) == [strange]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="out is a file; name a new folder"):
        write(tmp_path / "out")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "out")
