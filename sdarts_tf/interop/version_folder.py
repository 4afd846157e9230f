"""A folder of numbered versions, as TensorFlow Serving reads them. Imports no TensorFlow."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from sdarts_tf.errors import InputError


def check(out) -> None:
    """Raises InputError unless `out` is missing, empty, or holds nothing but versions. Hidden files do not count."""
    out = pathlib.Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out} is a file; name a new folder, or one that earlier exports made.")
    strange = sorted(path.name for path in _visible(out) if not _is_version(path))
    if strange:
        raise InputError(
            f"--out={out} holds {strange[0]!r}, so it is no folder of exports; name a new folder, or one that earlier "
            "exports made."
        )


@contextlib.contextmanager
def new_version(out) -> Iterator[pathlib.Path]:
    """An empty folder to write into, which becomes the next version of `out` when the block ends well.

    When the block fails nothing is left behind, and what `out` held before is untouched.

    Args:
        out: the folder of versions; created if missing.

    Yields:
        The temporary folder, a hidden one inside `out`.

    Raises:
        InputError: `out` holds something else, or cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as out:
        ...     for text in ("first", "second"):
        ...         with new_version(out) as folder:
        ...             _ = (folder / "model.txt").write_text(text)
        ...     latest(out).name, (latest(out) / "model.txt").read_text()
        ('2', 'second')
    """
    check(out)
    out = pathlib.Path(out)
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(dir=out, prefix=".export-"))
    except OSError as error:
        raise InputError(f"--out={out} cannot be written ({error.strerror}); name another folder.") from error
    try:
        yield temporary
        os.chmod(temporary, 0o755)  # mkdtemp's folder is closed to others, a server perhaps
        last = latest(out)
        os.rename(temporary, out / str(int(last.name) + 1 if last else 1))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):
                out.rmdir()
        raise


def latest(out) -> pathlib.Path | None:
    """The version with the largest number, or None."""
    return max(filter(_is_version, _visible(pathlib.Path(out))), key=lambda path: int(path.name), default=None)


def _visible(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _is_version(path):
    return path.is_dir() and path.name.isascii() and path.name.isdigit()
