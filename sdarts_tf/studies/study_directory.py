"""The folder of a tune or a sweep, in which a copy of its file lies beside the settings of the command."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping

from sdarts_tf import command_line
from sdarts_tf.config import SweepConfig, TuneConfig
from sdarts_tf.errors import InputError
from sdarts_tf.spaces import plugins
from sdarts_tf.studies import descriptions
from sdarts_tf.training.run_directory import RunDirectory

TUNER, TRIALS = "tuner", "trials"  # keras-tuner's files and the runs, in the folder of a tune


def prepare(
    config: TuneConfig | SweepConfig,
    what: str,
    read: Callable[[str, Mapping[str, str]], object],
    fixed: Callable[[Mapping], Mapping],
    *,
    writes: bool = True,
):
    """Makes the folder of a new study, or finds that of one to go on with.

    The folder keeps the file with the flags of its flag files, and its plugin: what happens to these later does not
    reach the study.

    Args:
        config: the settings of the command.
        what: `"tune"` or `"sweep"`.
        read: as `plan.read` and `matrix.read`; called before anything is written.
        fixed: of the object in a file, by name, what must be the same when the study goes on.
        writes: whether this process makes the folder; another one of the same study reads its own file.

    Returns:
        The settings with the folder, and the study that was read.

    Raises:
        InputError: the file or the folder cannot be used, or the file is another one than the study began with.
    """
    config = _with_folder(config, what)
    if not writes:
        return config, _read(descriptions.load(config.file, what), config, read)
    directory, name = RunDirectory(config.run_dir, what=f"a {what}"), f"{what}.json"
    if config.resume:
        given = config.file
        _require_study(directory, name, what)
        config = directory.resumed_config(config)
        if given is not None:
            _replace(directory, name, given, config, what, read, fixed)
    else:
        _create(directory, name, config, what, read)
    return config, _read((directory.path / name).read_text(encoding="utf-8"), config, read)


def _read(text, config, read, *, kept_plugin=True):
    plugin = plugins.kept(config.run_dir) if kept_plugin else None
    plugin = None if plugin is None else str(plugin)
    return read(text, {"data_dir": config.data_dir, "benchmark": config.benchmark, "plugin": plugin})


def _create(directory, name, config, what, read):
    # A worker may begin before its chief, and then waits for it.
    directory.require_unused((name, plugins.FILE, *([TUNER] if what == "tune" else [])))
    text = descriptions.load(config.file, what)
    _read(text, config, read, kept_plugin=False)  # a creation that was killed may have left another one
    text = descriptions.resolved(text)
    plugin = json.loads(text).get("settings", {}).get("plugin")
    files = {name: text} | ({} if plugin is None else {plugins.FILE: plugins.read(plugin)})
    directory.create(config, command_line.to_flagfile(config), checkpoint_bytes=0, files=files)


def _require_study(directory, name, what):
    if not (directory.path / name).is_file():
        raise InputError(
            f"--run_dir={directory.run_dir} holds no {what} to resume; name the folder of one, or leave --resume away "
            "to start one."
        )


def _replace(directory, name, path, config, what, read, fixed):
    """Puts another file in place of the one that a study began with."""
    newer, older = descriptions.load(path, what), (directory.path / name).read_text(encoding="utf-8")
    _read(newer, config, read)
    newer = descriptions.resolved(newer)
    old, new = fixed(json.loads(descriptions.resolved(older))), fixed(json.loads(newer))
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if changed:
        raise InputError(
            f"--file={path} differs in {', '.join(changed)} from the file that the {what} began with; start another "
            f"{what}."
        )
    directory.write(name, newer)


def _with_folder(config, what):
    if config.run_dir is not None:
        return config
    if config.resume:
        raise InputError(f"--run_dir is needed: name the folder of the {what} to go on with.")
    if config.file is None:
        descriptions.load(None, what)  # says that a file is needed
    return dataclasses.replace(config, run_dir=str(pathlib.Path("runs") / pathlib.Path(config.file).stem))
