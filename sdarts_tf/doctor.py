"""Checks this installation, and says what a search would take: `python -m sdarts_tf.doctor --estimate --space=s3`."""

import sys

import rich.console
import rich.markup
import rich.table

from sdarts_tf import command_line
from sdarts_tf.analysis import health
from sdarts_tf.analysis.health import BROKEN, NOTE, OK, Finding
from sdarts_tf.config import DoctorConfig
from sdarts_tf.data import sources
from sdarts_tf.errors import InputError, RunError
from sdarts_tf.training import handover, search_settings

_COLORS = {OK: "green", NOTE: "yellow", BROKEN: "red"}


def examine(config: DoctorConfig, told=lambda finding: None) -> list[Finding]:
    """Checks packages, devices, data, determinism, disk and memory; measures the search if the settings ask for it.

    Nothing is downloaded, and nothing written.

    Args:
        config: the settings of a search.
        told: called with each finding when it is there.

    Raises:
        InputError: a setting cannot be used.
    """
    config = config.completed()
    command_line.load_plugin(config.plugin)
    search_settings.check(config)
    if config.estimate and config.family == "recurrent":
        raise InputError("--estimate measures searches on images; leave it away with --space=recurrent.")
    findings = []

    def add(finding):
        findings.append(finding)
        told(finding)

    for check in (health.python, health.packages, health.tensorflow, lambda: health.disk(config.run_dir or "runs")):
        add(check())
    add(health.memory())
    source = _source(config, add)
    if any(finding.what == "TensorFlow" and finding.status == BROKEN for finding in findings):
        return findings
    command_line.import_tensorflow()
    from sdarts_tf.training import runtime

    runtime.suit_supernets()
    runtime.make_reproducible(config.seed)
    for check in (health.devices, health.arithmetic, health.determinism):
        add(check())
    if config.estimate and source is not None:
        for finding in _estimated(config, source):
            add(finding)
    return findings


def _source(config, add):
    """The data set, if it is there."""
    if config.family == "recurrent":
        add(Finding("data", NOTE, "texts are looked at by the search itself"))
        return None
    try:
        with command_line.native_output_held():
            if not sources.is_present(config.dataset, config.data_dir):
                where = f"in --data_dir={config.data_dir}" if config.data_dir else "here"
                status = BROKEN if config.data_dir else NOTE
                add(Finding("data", status, f"{config.dataset} is not {where}; a search would download it"))
                return None
            source = handover.source(config)
            add(health.data(source, config.data_dir, config.max_examples))
    except (InputError, RunError) as error:
        add(Finding("data", BROKEN, str(error)))
        return None
    return source


def _estimated(config, source):
    """What the search takes, and whether there is as much."""
    import psutil

    from sdarts_tf.analysis import estimate

    count = len(source.load("train", config.data_dir, config.max_examples))
    halves = int(config.train_share * count), count - int(config.train_share * count)
    if config.batch_size > min(halves):
        said = f"{count:,} images are divided into {halves[0]:,} and {halves[1]:,}; give a smaller --batch_size"
        yield Finding("batch", BROKEN, f"--batch_size={config.batch_size} is too large: {said}")
        return
    found = estimate.of_search(config, source, count)
    batches = " and ".join(map(str, sorted(set(found.batches))))
    measured = f"measured with {found.cells} cells on batches of {batches}"
    yield Finding(
        "time",
        OK,
        f"about {_duration(found.seconds)}: {found.steps:,} steps of {found.seconds_per_step:.2f} s, evaluations "
        f"{_duration(found.evaluation_seconds)}, first step after {found.seconds_to_first_step:.0f} s; {measured}",
    )
    # How much a GPU has TensorFlow does not say.
    enough = found.on_gpu or found.peak_bytes < psutil.virtual_memory().available + psutil.Process().memory_info().rss
    kind = "GPU memory" if found.on_gpu else "memory"
    said = f"about {found.peak_bytes / 1e9:.1f} GB of {kind}, {found.checkpoint_bytes / 1e6:.0f} MB of checkpoints"
    remedy = "" if enough else "; give it a smaller --batch_size"
    if found.checkpoint_bytes > health.free_bytes(config.run_dir or "runs"):
        remedy += "; the disk has less, so name another --run_dir"
    yield Finding("size", BROKEN if remedy else OK, said + remedy)


def _duration(seconds):
    """In the unit that suits it.

    Example:
        >>> _duration(40), _duration(4000), _duration(400_000)
        ('40 s', '1.1 h', '4.6 days')
    """
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def main(config: DoctorConfig) -> int:
    """Prints a table; the status is 1 if something is broken."""
    with rich.console.Console(stderr=True).status("looking") as status:
        findings = examine(config, told=lambda finding: status.update(f"{finding.what}: {finding.status}"))
    table = rich.table.Table("", "", "what was found", box=None, header_style="dim")
    for finding in findings:
        color = _COLORS[finding.status]
        table.add_row(finding.what, f"[{color}]{finding.status}[/{color}]", rich.markup.escape(finding.said))
    rich.console.Console().print(table)
    return int(any(finding.status == BROKEN for finding in findings))


if __name__ == "__main__":
    sys.exit(command_line.run(main, DoctorConfig, description=__doc__))
