"""What a user sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

import time

import rich.console
import rich.progress


class Progress:
    """Shows the steps of each epoch and one line per finished epoch.

    Args:
        total_steps: steps of the whole run, from which the time left is estimated.
        per_step: what a step works on, for the rate.
        unit: what that number counts.
        log: a file that receives the lines too, or None.
        console: where to show; default standard error.
        plain_seconds: time between two lines inside an epoch when the output is not a terminal.
    """

    def __init__(self, total_steps, per_step, unit="images", *, log=None, console=None, plain_seconds=30.0):
        self._console = console or rich.console.Console(stderr=True, highlight=False)
        self._total, self._per_step, self._unit = total_steps, per_step, unit
        self._log, self._plain_seconds = log, plain_seconds
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[figures]}"),
            rich.progress.TextColumn("{task.fields[left]} left"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._started = self._shown = None
        self._first_step = 0

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *exception):
        self._bar.stop()

    def start_epoch(self, description: str, steps: int, done: int = 0) -> None:
        """Begins the bar of one epoch, of which `done` steps are behind us."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._description, self._steps = description, steps
        self._task = self._bar.add_task(description, total=steps, completed=done, figures="", left="?")

    def due(self) -> bool:
        """Whether figures should be fetched from the device and shown now: a few times a second at most."""
        return time.monotonic() - (self._shown or 0) >= (0.5 if self._console.is_terminal else self._plain_seconds)

    def step(self, done: int, global_step: int, figures: str | None) -> None:
        """Shows that `done` steps of the epoch and `global_step` of the run are finished."""
        now = time.monotonic()
        if self._started is None:
            # Time before the first step is tracing; it says nothing about the steps to come.
            self._started, self._first_step = now, global_step
        if figures is None:
            return
        rate = (global_step - self._first_step) / max(now - self._started, 1e-9)
        left = _clock((self._total - global_step) / rate) if rate else "?"
        figures = f"{figures}  {rate * self._per_step:.0f} {self._unit}/s"
        self._bar.update(self._task, completed=done, figures=figures, left=left)
        if not self._console.is_terminal and self._shown is not None:
            self.line(f"{self._description}  step {done}/{self._steps}  {figures}  {left} left")
        self._shown = now

    def line(self, text: str) -> None:
        """Shows one line above the bar, and writes it to the log."""
        self._bar.console.print(text, soft_wrap=True, markup=False)
        if self._log is not None:
            with open(self._log, "a", encoding="utf-8") as file:
                file.write(text + "\n")


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
