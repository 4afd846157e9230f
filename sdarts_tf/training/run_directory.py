"""The files of one run. Everything is written to a temporary name and renamed, so nothing half-written is read back."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Collection, Mapping

from sdarts_tf import config as configuration
from sdarts_tf.errors import InputError

# Settings that may differ between the start of a run and its continuation.
_FREE_ON_RESUME = frozenset(
    ("run_dir", "resume", "plugin", "data_dir", "benchmark", "checkpoint_seconds", "strategy", "file", "jobs")
)

CONTACT_SHEET = "contact_sheet.png"  # may lie there before the run is started


class RunDirectory:
    """The folder of one run.

    It holds `config.json`, `run.flags`, `genotype.json`, `genotypes.jsonl`, `mixtures.jsonl`, `metrics.jsonl`,
    `checkpoints/`, `events/`, and `log.txt`; in `kept/` weights and alpha of some epochs, if the settings ask for it.

    Args:
        run_dir: the folder, as in `--run_dir`; created by `create`.
        subfolder: where in that folder it lies; `""` is the folder itself.
        what: what lies there, for the errors.
        writes: whether this process writes; of several processes that share a run only the chief does.
    """

    def __init__(self, run_dir, subfolder="", *, what="a run", writes=True):
        self.run_dir, self._what, self.writes = pathlib.Path(run_dir), what, writes
        self.path = self.run_dir / subfolder
        self.checkpoints, self.events = self.path / "checkpoints", self.path / "events"
        self.kept = self.path / "kept"

    def require_unused(self, files: Collection[str] = ()) -> None:
        """Raises InputError unless the folder is missing, empty, or what a killed `create` left behind.

        Args:
            files: names of the further files that `create` will get.
        """
        if (self.path / "config.json").exists():
            raise InputError(
                f"--run_dir={self.run_dir} already holds {self._what}; add --resume to go on with it, or name another "
                "folder."
            )
        created = {*files, "run.flags", "config.json", CONTACT_SHEET}
        if self.path.exists() and not (
            self.path.is_dir() and {_final(path) for path in self.path.iterdir()} <= created
        ):
            raise InputError(f"{self.path} exists and is not {self._what}; name another --run_dir.")

    def create(self, config, flags: str, *, checkpoint_bytes: int, files: Mapping[str, str] | None = None) -> None:
        """Makes the folder and saves the configuration, if this process writes.

        Args:
            config: the configuration of the run.
            flags: the same as a flag file.
            checkpoint_bytes: size of one checkpoint.
            files: name -> text of what else a run needs to go on.

        Raises:
            InputError: the folder cannot be written, or its disk is too full for the checkpoints.
        """
        if not self.writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._require_space(3 * checkpoint_bytes)
            # config.json comes last: where it lies, there is a run that can be resumed.
            for name, text in {
                **(files or {}),
                "run.flags": flags,
                "config.json": configuration.to_json(config),
            }.items():
                self.write(name, text)
        except OSError as error:
            raise InputError(f"--run_dir={self.run_dir} cannot be written ({error.strerror}); name another.") from error

    def resumed_config(self, config):
        """The configuration that the run was started with.

        Args:
            config: the present one; whatever it sets apart from the defaults must agree with the saved one.

        Raises:
            InputError: there is no run in the folder, or a setting contradicts it.
        """
        try:
            saved = configuration.from_json(type(config), (self.path / "config.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"--run_dir={self.run_dir} holds no run to resume; leave --resume away to start one."
            ) from error
        free = {}
        for field in dataclasses.fields(config):
            given, was = getattr(config, field.name), getattr(saved, field.name)
            if field.name == "stop_after":  # where the last start was to stop says nothing about this one
                free[field.name] = given
            elif field.name in _FREE_ON_RESUME:
                free |= {} if given is None else {field.name: given}
            elif given not in (was, field.default):
                raise InputError(
                    f"--{field.name}={given} contradicts the run in {self.path}, which was started with {was}; "
                    "leave the flag away to resume, or start another run."
                )
        return dataclasses.replace(saved, **free)

    def _require_space(self, num_bytes):
        free = shutil.disk_usage(self.path).free
        if free < num_bytes:
            raise InputError(
                f"--run_dir={self.run_dir} has {free / 1e6:.0f} MB free and its checkpoints need about "
                f"{num_bytes / 1e6:.0f} MB; free some space or name a folder on another disk."
            )

    def write(self, name: str, content: str | bytes) -> None:
        """Writes a file in one piece, if this process writes."""
        if not self.writes:
            return
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _final(path):
    """The name of a file, also of one that `write` has not renamed yet."""
    return path.name[1:].rpartition(".")[0] if path.name.startswith(".") else path.name


class Records:
    """A file of one JSON object a line, kept in memory and written in one piece.

    Args:
        directory: the run's.
        name: of the file.

    Raises:
        InputError: a line of the file is no record with an epoch.
    """

    def __init__(self, directory: RunDirectory, name: str):
        self._directory, self._name = directory, name
        path = directory.path / name
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        self.lines = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]

    def append(self, record: dict) -> None:
        """Adds one record."""
        self.lines.append(record)
        self._save()

    def keep_until(self, epoch: int) -> None:
        """Forgets records of later epochs: a resumed run writes them again."""
        self.lines = [record for record in self.lines if record["epoch"] <= epoch]
        self._save()

    def _save(self):
        self._directory.write(self._name, "".join(json.dumps(record) + "\n" for record in self.lines))


def _parsed(path, number, line) -> dict:
    try:
        record = json.loads(line)
        if not isinstance(record, dict) or "epoch" not in record:
            raise ValueError("it has no epoch")
    except ValueError as error:
        raise InputError(
            f"Line {number} of {path} is damaged ({error}); restore the file, or start another run."
        ) from error
    return record
