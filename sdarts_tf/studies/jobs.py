"""Runs commands of this package side by side: what is finished is not repeated, what was stopped goes on."""

import collections
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from sdarts_tf import command_line
from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import Diverged, RunError
from sdarts_tf.training.interruption import Interrupted, Interruption

try:
    import fcntl
except ImportError:  # not on Windows, where nothing keeps two processes out of one run
    fcntl = None

# What lies in a run's folder once a command has begun, and once it has ended.
_FILES = {
    "search": ("config.json", "genotype.json"),
    "retrain": ("retrain/config.json", "retrain/result.json"),
    "analyze": (None, "analysis/analysis.json"),
    "correlate": (None, "correlation.json"),
}
_OF_THIS_MACHINE = ("data_dir", "benchmark")  # settings that a resumed run is given again
_POLL_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class Job:
    """One command on one run's folder, in a process of its own.

    Args:
        command: `"search"`, `"retrain"`, `"analyze"` or `"correlate"`.
        run_dir: the folder; what the command prints goes to a `.txt` file beside it.
        flags: with which it begins.
        always: flags that a resumed command is given too.

    Example:
        >>> job = Job("search", pathlib.Path("runs/a"), ("--method=rs",))
        >>> job.arguments(), job.log.name
        (['--run_dir=runs/a', '--method=rs'], 'a.txt')
    """

    command: str
    run_dir: pathlib.Path
    flags: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    @property
    def log(self) -> pathlib.Path:
        """The file of what the command prints."""
        return self.run_dir.parent / f"{self.run_dir.name}.txt"

    def has_begun(self) -> bool:
        """Whether there is something to resume."""
        begun, _ = _FILES[self.command]
        return begun is not None and (self.run_dir / begun).exists()

    def is_finished(self) -> bool:
        """Whether its result is there."""
        return (self.run_dir / _FILES[self.command][1]).exists()

    def arguments(self) -> list[str]:
        """What the command is to be called with now."""
        return [f"--run_dir={self.run_dir}", *(["--resume"] if self.has_begun() else self.flags), *self.always]


def job(config: SearchConfig | RetrainConfig, run_dir: pathlib.Path, *, stop_after: int | None = None) -> Job:
    """The job of a configuration.

    Args:
        config: of a search or a training; its `run_dir`, `resume` and `stop_after` do not count.
        run_dir: the folder.
        stop_after: number of the epoch at which it is to pause; it runs to its end if it has no more than these.

    Example:
        >>> job(SearchConfig(epochs=9, data_dir="data"), pathlib.Path("runs/a"), stop_after=3).always
        ('--data_dir=data', '--stop_after=3')
    """
    config = dataclasses.replace(config, run_dir=None, resume=False, stop_after=None)
    flags = tuple(command_line.to_flagfile(config).splitlines())
    always = tuple(line for line in flags if line.startswith(tuple(f"--{name}=" for name in _OF_THIS_MACHINE)))
    if stop_after is not None and stop_after < config.epochs:
        always += (f"--stop_after={stop_after}",)
    return Job("retrain" if isinstance(config, RetrainConfig) else "search", run_dir, flags, always)


def training(config: RetrainConfig, search: SearchConfig, run_dir: pathlib.Path) -> Job:
    """The job of training the cell that a search in the same folder finds.

    Args:
        config: of the training. Where it leaves the data folder open and has the search's data set, the folder is
            that of `search`, which a study that goes on may have been given anew.
        search: of the search.
        run_dir: the folder of both.

    Example:
        >>> training(RetrainConfig(), SearchConfig(data_dir="moved"), pathlib.Path("runs/a")).always
        ('--data_dir=moved',)
    """
    if config.data_dir is None and config.dataset in (None, search.dataset):
        config = dataclasses.replace(config, data_dir=search.data_dir)
    return job(config, run_dir)


class Unusable(RunError):
    """A job refused its settings or its files."""


def failure(job: Job, status: int) -> RunError:
    """What a job's exit status means, in the words of its own last line: `Unusable`, `Diverged`, or a `RunError`."""
    lines = [line for line in job.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix(f"sdarts_tf.{job.command}: ") if lines and status > 0 else f"signal {-status}"
    kind = {2: Unusable, 3: Diverged}.get(status, RunError)
    return kind(f"{job.command} in {job.run_dir} ended with status {status}: {said.rstrip('.')}; see {job.log}.")


def run(jobs: Sequence[Job], environment: Mapping[str, str] | None = None) -> None:
    """Runs jobs one after the other.

    Raises:
        Interrupted: after SIGINT or SIGTERM, once the running job has saved its state.
        RunError: a job failed, and the rest was not run; `Unusable` or `Diverged` say so.
    """
    failures = run_all([jobs], [environment or {}])
    if failures:
        raise failures[0]


def run_all(
    chains: Sequence[Sequence[Job]],
    environments: Sequence[Mapping[str, str]],
    tell: Callable[[str], None] = lambda line: None,
) -> list[RunError]:
    """Runs chains of jobs side by side, the jobs of a chain one after the other.

    Args:
        chains: in the order in which they are begun; of one whose job fails the rest is left out.
        environments: one for each chain that runs at the same time: what its processes get beside ours.
        tell: called with a line whenever a job begins or fails.

    Returns:
        What went wrong, in the order in which it did.

    Raises:
        Interrupted: after SIGINT or SIGTERM, once all running jobs have saved their states.
    """
    waiting, free = collections.deque(chains), list(environments)
    running, failures = [], []
    with Interruption() as interruption:
        try:
            while waiting or running:
                if interruption.signal_number is not None:
                    raise Interrupted("Stopped; all running jobs are told to save.", interruption.signal_number)
                while waiting and free:
                    running.append(_Chain(waiting.popleft(), free.pop(0), tell))
                for chain in list(running):
                    if chain.advance():
                        running.remove(chain)
                        free.append(chain.environment)
                        failures += [chain.failure] if chain.failure else []
                time.sleep(_POLL_SECONDS)
        finally:
            for chain in running:
                chain.terminate()
            for chain in running:
                chain.wait()
    return failures


class _Chain:
    """Jobs that are run one after the other; advanced by its owner, so that many need no threads."""

    def __init__(self, jobs, environment, tell):
        self._jobs, self.environment, self._tell = collections.deque(jobs), environment, tell
        self._process = self.failure = None

    def advance(self) -> bool:
        """Looks after the present job, or begins the next one; True once there is none left or one has failed."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return False
            self._process, job = None, self._jobs.popleft()
            if status:
                self.failure = failure(job, status)
                self._tell(str(self.failure))
                return True
        while self._jobs and self._jobs[0].is_finished():
            self._jobs.popleft()
        if not self._jobs:
            return True
        self._begin(self._jobs[0])
        return False

    def _begin(self, job):
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, "a", encoding="utf-8") as log:
            if not _locked(log):
                return  # a process of an earlier call, which was killed, still works there
            command = [sys.executable, "-m", f"sdarts_tf.{job.command}", *job.arguments()]
            # A session of its own: Ctrl-C on a terminal reaches us alone, and we pass it on once.
            options = {"env": os.environ | self.environment, "stdout": log, "stderr": log, "start_new_session": True}
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self._tell(f"{job.command} {job.run_dir}")

    def terminate(self):
        if self._process is not None:
            self._process.terminate()

    def wait(self):
        if self._process is not None:
            self._process.wait()


def _locked(log) -> bool:
    """Locks the log, which the process inherits: the lock goes when the last of them ends."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
