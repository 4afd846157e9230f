"""Searches a cell: `python -m sdarts_tf.search --method=rs --dataset=svhn`."""

import dataclasses
import json
import pathlib
import sys

from sdarts_tf import benchmarks, command_line, spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.data import own, text
from sdarts_tf.data.inspection import Inspection
from sdarts_tf.genotypes.drawing import describe, draw
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.reporting import run
from sdarts_tf.spaces import plugins
from sdarts_tf.training import cluster, handover, search_settings
from sdarts_tf.training.run_directory import RunDirectory

_COSTS = "costs.json"  # of a run with a target


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found, and where everything about it lies."""

    genotype: Genotype
    run_dir: pathlib.Path


def check(config: SearchConfig) -> None:
    """Raises InputError for a method, space or data set that does not exist. Imports TensorFlow for a plugin only."""
    command_line.load_plugin(config.plugin)
    search_settings.check(config)


def search(config: SearchConfig) -> SearchResult:
    """Runs a search to its end, or goes on with one.

    Keys every random draw of the process by `config.seed` and switches TensorFlow to deterministic kernels.

    Args:
        config: the settings; `run_dir=None` means `runs/<method>-<space>-<dataset>-<seed>`.

    Returns:
        The genotype and the run's folder, which holds `genotype.json`, `genotype.svg`, `genotype.png`,
        `genotypes.jsonl`, `metrics.jsonl`, `config.json`, `run.flags`, `checkpoints/` and TensorBoard's `events/`.

    Raises:
        InputError: a setting or a file cannot be used; nothing has been written then.
        RunError: the search failed, was interrupted, or has come to `stop_after`; its last checkpoint can be resumed.

    Example:
        >>> import tempfile
        >>> tiny = dict(dataset="digits", space="s2", channels=2, cells=3, epochs=1, max_examples=8, batch_size=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = search(SearchConfig(run_dir=folder + "/run", **tiny))
        >>> len(result.genotype.cells["normal"])
        8
    """
    check(config.completed())
    config = _named(config)
    processes = cluster.read(config.strategy)
    directory = RunDirectory(config.run_dir, writes=processes.is_chief)
    if config.resume:
        config = directory.resumed_config(config)
        command_line.load_plugin(plugins.kept(directory.path))
    else:
        directory.require_unused({plugins.FILE, _COSTS})
    config = config.completed()
    start = _text_task if config.family == "recurrent" else _image_task
    make, image_shape = start(config, directory)

    command_line.import_tensorflow()
    from sdarts_tf.training import runtime, strategy

    (runtime.suit_texts if config.family == "recurrent" else runtime.suit_supernets)()
    plugins.try_operations()
    runtime.make_reproducible(config.seed)
    if not config.resume:
        config = runtime.suited(config, image_shape)
    with strategy.together(processes, config.run_dir), strategy.create(config.strategy).scope():
        loop = make(config)
        if not config.resume:
            files = _plugin_files(config) if config.plugin else {}
            files |= {_COSTS: loop.target.to_json()} if config.target else {}
            flags, size = command_line.to_flagfile(config), loop.checkpoint_bytes()
            directory.create(config, flags, checkpoint_bytes=size, files=files)
        genotype = loop.run()
    if directory.writes:
        directory.write("genotype.json", genotype.to_json() + "\n")
        draw(genotype, directory.path / "genotype")
    if config.target:  # last: the latency may not be measurable, and what was found must not depend on that
        report = loop.target.report(genotype, plugin=_plugin(config, directory))
        directory.write("target.json", json.dumps(report, indent=1) + "\n")
    return SearchResult(genotype, directory.path)


def check_data(config: SearchConfig) -> tuple[Inspection, pathlib.Path | None]:
    """Looks at the data of a search instead of starting it; writes `contact_sheet.png` to the run's folder.

    Raises:
        InputError: a setting cannot be used, or there are no such data.
    """
    config = _named(config).completed()
    check(config)
    directory = RunDirectory(config.run_dir)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        source = handover.source(config)
    command_line.import_tensorflow()
    from sdarts_tf.analysis import data_check

    return data_check.run(config, source, directory)


def _named(config):
    """The settings with the folder of the run."""
    if config.run_dir is not None:
        return config
    name = f"{config.method}-{config.space}-{own.label(config.completed().dataset)}-{config.seed}"
    return dataclasses.replace(config, run_dir=str(pathlib.Path("runs") / name))


def _image_task(config, directory):
    """Reads the images; what makes the loop once TensorFlow is there and the settings suit it, and their shape."""
    benchmark = None
    if config.benchmark:
        benchmark = benchmarks.load(config.benchmark, config.space, config.benchmark_dataset or config.dataset)
    with command_line.native_output_held():  # tensorflow-datasets, if it is needed, imports TensorFlow
        source = handover.source(config)
        examples = source.load("train", config.data_dir, config.max_examples)

    def make(completed):
        from sdarts_tf.training import search_stages

        cost_target = _target(completed, source, directory) if completed.target else None
        return search_stages.build(completed, source, examples, directory, benchmark, cost_target)

    return make, source.image_shape


def _target(config, source, directory):
    """What steers the cost; a run that goes on keeps the latencies that it began with."""
    from sdarts_tf.analysis import cost_target

    known = (directory.path / _COSTS).read_text(encoding="utf-8") if config.resume else None
    return cost_target.build(config, source, plugin=_plugin(config, directory), known=known)


def _plugin_files(config):
    """The plugin, and the candidates of its space, which a report names without running it."""
    return {plugins.FILE: plugins.read(config.plugin), run.CANDIDATES: json.dumps(spaces.rows(config.space)) + "\n"}


def _plugin(config, directory):
    return plugins.kept(directory.path) if config.resume else config.plugin


def _text_task(config, directory):
    """Reads the texts; what makes the loop once TensorFlow is there and the settings suit it, and no shape."""
    corpus = text.read(config.dataset, config.data_dir, config.text_unit, config.max_examples)

    def make(completed):
        from sdarts_tf.training.search_loop import SearchLoop
        from sdarts_tf.training.text_search import TextTask

        return SearchLoop(completed, TextTask(completed, corpus), directory)

    return make, None


def main(config: SearchConfig) -> int | None:
    """Searches and says what was found, or only looks at the data."""
    if config.check_data:
        return command_line.say_inspection(*check_data(config))
    result = search(config)
    print(describe(result.genotype))
    print(f"Genotype: {result.run_dir / 'genotype.json'}")
    if (result.run_dir / "target.json").is_file():
        report = json.loads((result.run_dir / "target.json").read_text(encoding="utf-8"))
        print(f"Cost:     {report['network']:.4g} {report['kind']}, {report['error']:+.1%} off the target")
    print(f"Picture:  {result.run_dir / 'genotype.svg'} and .png")
    return None


if __name__ == "__main__":
    sys.exit(command_line.run(main, SearchConfig, description=__doc__))
