"""The folder of a tune or a sweep, in which a copy of its file lies beside the settings of the command."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence

from sdarts_tf import command_line
from sdarts_tf.config import SweepConfig, TuneConfig
from sdarts_tf.errors import InputError
from sdarts_tf.studies import descriptions
from sdarts_tf.training.run_directory import RunDirectory

TUNER, TRIALS = "tuner", "trials"  # keras-tuner's files and the runs, in the folder of a tune


def prepare(
    config: TuneConfig | SweepConfig,
    what: str,
    check: Callable[[str], object],
    *,
    may_change: Sequence[str] = (),
    writes: bool = True,
):
    """Makes the folder of a new study, or finds that of one to go on with.

    Args:
        config: the settings of the command.
        what: `"tune"` or `"sweep"`.
        check: raises InputError for a text that describes no such study; called before anything is written.
        may_change: keys of the file that may have other values when the study goes on.
        writes: whether this process makes the folder; another one of the same study reads its own file.

    Returns:
        The settings with the folder, and the text that describes the study.

    Raises:
        InputError: the file or the folder cannot be used, or the file is another one than the study began with.
    """
    config = _with_folder(config, what)
    if not writes:
        return config, descriptions.load(config.file, what)
    directory, name = RunDirectory(config.run_dir, what=f"a {what}"), f"{what}.json"
    if not config.resume:
        # A worker may begin before its chief, and then waits for it.
        directory.require_unused((name, TUNER) if what == "tune" else (name,))
        text = descriptions.load(config.file, what)
        check(text)
        directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=0, files={name: text})
        return config, text
    given, config = config.file, directory.resumed_config(config)
    text = (directory.path / name).read_text(encoding="utf-8")
    if given is not None:
        newer = descriptions.load(given, what)
        check(newer)
        _require_same(text, newer, f"--file={given}", what, may_change)
        directory.write(name, newer)
        text = newer
    return config, text


def _with_folder(config, what):
    if config.run_dir is not None:
        return config
    if config.resume:
        raise InputError(f"--run_dir is needed: name the folder of the {what} to go on with.")
    if config.file is None:
        descriptions.load(None, what)  # says that a file is needed
    return dataclasses.replace(config, run_dir=str(pathlib.Path("runs") / pathlib.Path(config.file).stem))


def _require_same(text, newer, named, what, may_change):
    old, new = json.loads(text), json.loads(newer)
    changed = sorted(key for key in {*old, *new} - set(may_change) if old.get(key) != new.get(key))
    if changed:
        raise InputError(
            f"{named} differs in {', '.join(changed)} from the file that the {what} began with; start another {what}."
        )
