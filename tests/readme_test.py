"""What the README shows is executed: its commands on tiny data, its Python, its links, its table of flags."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sdarts_tf import command_line, import_torch
from sdarts_tf import config as configuration
from sdarts_tf.analyze import analyze
from sdarts_tf.config import (
    AnalyzeConfig,
    CorrelateConfig,
    DrawConfig,
    EvaluateConfig,
    ExportConfig,
    ImportConfig,
    QueryConfig,
    ReportConfig,
    RetrainConfig,
    SearchConfig,
    SelectConfig,
    SweepConfig,
    TuneConfig,
)
from sdarts_tf.correlate import correlate
from sdarts_tf.data import sources, text
from sdarts_tf.draw import draw
from sdarts_tf.evaluate import evaluate
from sdarts_tf.export import check, export
from sdarts_tf.genotypes import published
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.methods import ingredients
from sdarts_tf.query import query
from sdarts_tf.report import report
from sdarts_tf.retrain import retrain
from sdarts_tf.search import check_data, search
from sdarts_tf.select import select
from sdarts_tf.spaces import NAMES, nasbench201_cells
from sdarts_tf.sweep import sweep
from sdarts_tf.training import cluster
from sdarts_tf.tune import tune

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TINY = ["--channels=2", "--cells=3", "--epochs=1", "--max_examples=60", "--batch_size=24"]


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _commands(module, *, texts=False):
    """The arguments of every `python -m MODULE` that the README shows for images or for texts, comments left out."""
    blocks = [block for block in _blocks("bash") if ("--space=recurrent" in block) == texts]
    lines = "\n".join(blocks).splitlines()
    start = f"python -m {module} "
    return [shlex.split(line.removeprefix(start), comments=True) for line in lines if line.startswith(start)]


def test_text_commands(tmp_path, monkeypatch):
    """As shown, from the search to the sampled words, on a small text; the default seed gives the folder its name."""
    monkeypatch.chdir(tmp_path)
    for part in ("train", "valid", "test"):
        for name in (f"ptb.{part}.txt", f"{part}.txt"):
            (tmp_path / name).write_text("the company said it would\n" * 20)
    small = ["--units=4", "--batch_size=6", "--epochs=1", f"--data_dir={tmp_path}"]

    def shown(command, config_class, *flags):
        given = _commands(f"sdarts_tf.{command}", texts=True)
        return [command_line.parse(config_class, [*arguments, *flags]) for arguments in given]

    (searched,) = [search(config) for config in shown("search", SearchConfig, *small)]
    trained, _ = [retrain(config) for config in shown("retrain", RetrainConfig, *small)]
    (evaluated,) = [evaluate(config) for config in shown("evaluate", EvaluateConfig)]
    assert str(searched.run_dir) == str(trained.run_dir) == "runs/adv-recurrent-ptb-2"
    assert evaluated.test.perplexity == pytest.approx(trained.test_perplexity, rel=1e-5)
    (exported,) = [export(config) for config in shown("export", ExportConfig)]
    assert str(exported) == "exports/ptb/1"
    (line,) = [line for line in "\n".join(_blocks("bash")).splitlines() if "sample_text" in line]
    command = [sys.executable, ROOT / line.split()[1], *shlex.split(line)[2:], "--length=3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("the company "), done.stderr


def test_the_two_commands_exist_and_are_the_first_block():
    first = [line.split()[0] for line in _blocks("bash")[0].strip().splitlines()]
    assert first == ["scripts/quickstart.sh", "scripts/test.sh"]
    for script in first:
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_search_commands_run_on_tiny_data(tmp_path, monkeypatch):
    """Every shown search, with its method and space, on generated files where it names a data set."""
    commands = [arguments for arguments in _commands("sdarts_tf.search") if not _is_own(arguments)]
    assert len(commands) == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags").symlink_to(ROOT / "flags")
    random = np.random.RandomState(0)
    images = {f"x_{split}": random.randint(0, 256, (60, 32, 32, 3)).astype(np.uint8) for split in ("train", "test")}
    labels = {f"y_{split}": random.randint(0, 10, 60) for split in ("train", "test")}
    for name in ("cifar10", "svhn"):
        np.savez(tmp_path / f"{name}.npz", **images, **labels)
    for number, arguments in enumerate(commands):
        if "--resume" not in arguments:
            # The shown sizes take days; the rest is as shown.
            small = [*arguments, *TINY, "--space=s2", f"--data_dir={tmp_path}", f"--run_dir=run{number}"]
            small += ["--hessian_batches=1"]
            genotype = search(command_line.parse(SearchConfig, small)).genotype
            assert len(genotype.cells["normal"]) == len(genotype.cells["reduce"]) == 8
    resumed = next(arguments for arguments in commands if "--resume" in arguments)
    assert command_line.parse(SearchConfig, resumed).resume


def _is_own(arguments):
    """Whether a command is about a user's own data or operations."""
    return "--check_data" in arguments or "--plugin" in "".join(arguments)


def test_the_dry_run_and_the_plugin_that_are_shown(tmp_path, monkeypatch):
    """The dry run on generated leaves; searches with a plugin are run by tests/own_data_test.py."""
    dry, own = (arguments for arguments in _commands("sdarts_tf.search") if _is_own(arguments))
    monkeypatch.chdir(tmp_path)
    for name in ("oak", "elm"):
        (tmp_path / "leaves" / name).mkdir(parents=True)
        for number in range(12):
            encoded = tf.io.encode_png(np.full((9, 8, 1), 20 * number, np.uint8))
            (tmp_path / "leaves" / name / f"{number}.png").write_bytes(encoded.numpy())
    config = command_line.parse(SearchConfig, [*dry, f"--data_dir={tmp_path / 'leaves'}"])
    inspection, sheet = check_data(config)
    assert inspection.usable and inspection.facts[0] == "train: 20 images of 9 x 8 x 1, 2 classes"
    assert str(sheet) == "runs/rs-s5-folder-2/contact_sheet.png" and sheet.is_file()
    config = command_line.parse(SearchConfig, own)
    source = (ROOT / config.plugin).read_text(encoding="utf-8")
    assert f'SPACES = {{"{config.space}": ' in source


def test_analyze_commands(tmp_path, monkeypatch):
    """On tiny searches with the shown names; the pictures that compare runs are tested elsewhere."""
    commands = _commands("sdarts_tf.analyze")
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    first = command_line.parse(
        AnalyzeConfig, [*commands[0], "--batches=1", "--grid=0", "--weight_steps=0", "--draws=1"]
    )
    search(command_line.parse(SearchConfig, [f"--run_dir={first.run_dir[0]}", "--dataset=digits", "--space=s2", *TINY]))
    (analysis,) = analyze(first).values()
    assert [each["epoch"] for each in analysis["checkpoints"]] == [1]
    runs = command_line.parse(AnalyzeConfig, commands[1]).run_dir
    assert runs == ("runs/darts-s3-cifar10-2", *first.run_dir)
    shutil.copytree(first.run_dir[0], runs[0])
    shown = [command_line.parse(ReportConfig, arguments) for arguments in _commands("sdarts_tf.report")]
    assert [config.run_dir for config in shown] == [first.run_dir, runs]
    pages = [report(config) for config in shown]
    assert [str(path) for path in pages] == [f"{first.run_dir[0]}/report.html", "comparison.html"]
    hessian = f"{analysis['checkpoints'][0]['alpha_hessian']['largest']:.4g}"
    assert all(f"<td>{hessian}</td>" in path.read_text(encoding="utf-8") for path in pages)


def test_query_and_correlate_commands(tmp_path, monkeypatch):
    """As shown, on a tiny search with the default seed and a table of all architectures."""
    monkeypatch.chdir(tmp_path)
    images = np.random.RandomState(0).randint(0, 256, (60, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(60) % 10
    np.savez("cifar10.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    rows = [f"{architecture},{number / 200}" for number, architecture in enumerate(nasbench201_cells.architectures())]
    pathlib.Path("nasbench201.csv").write_text("\n".join(["architecture,cifar10_test", *rows]))
    small = {"epochs": 1, "channels": 2, "cells": 1, "batch_size": 12, "data_dir": "."}
    result = search(SearchConfig(space="nasbench201", dataset="cifar10", **small))
    ((query_flags,), (correlate_flags,)) = (_commands(f"sdarts_tf.{name}") for name in ("query", "correlate"))
    answers = query(command_line.parse(QueryConfig, query_flags))
    assert [answer["epoch"] for answer in answers] == [0, 1]
    assert all(answer["rank"] == 15625 - round(2e4 * answer["true_test_accuracy"]) for answer in answers)
    assert answers[-1]["architecture"] == nasbench201_cells.architecture(result.genotype)
    config = command_line.parse(CorrelateConfig, [*correlate_flags, "--batches=2", "--architectures=5"])
    (checkpoint,) = correlate(config)["checkpoints"]
    assert checkpoint["epoch"] == 1 and len(checkpoint["losses"]) == 5


def test_draw_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = [shlex.split(flags) for flags in re.findall(r"`(?:python -m sdarts_tf\.draw )(--.*?)`", README)]
    folder = pathlib.Path(command_line.parse(DrawConfig, shown[0]).run_dir)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "genotype.json").write_text(published.get("c10_s2_pgd").to_json())
    _, (picture, _) = draw(command_line.parse(DrawConfig, shown[0]))
    assert picture == folder / "genotype.svg" and picture.exists()
    assert draw(DrawConfig(genotype="c10_s5_pgd"))[0] == published.get("c10_s5_pgd")


def test_retrain_commands_run_on_tiny_data(tmp_path, monkeypatch):
    """Every shown training, the first one on what a search of the digits left behind."""
    commands = [arguments for arguments in _commands("sdarts_tf.retrain") if "select" not in "".join(arguments)]
    assert len(commands) == 4
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags").symlink_to(ROOT / "flags")
    folder = tmp_path / "runs" / "rs-s5-svhn-2"
    folder.mkdir(parents=True)
    (folder / "genotype.json").write_text(published.get("c10_s2_pgd").to_json())
    (folder / "config.json").write_text(configuration.to_json(SearchConfig(dataset="digits")))
    for arguments in commands[:3]:
        small = [a for a in arguments if a != "--dataset=cifar10"]
        small += [] if "--resume" in small else TINY
        small += [] if "--run_dir" in "".join(small) else ["--dataset=digits"]
        assert 0 <= retrain(command_line.parse(RetrainConfig, small)).test_accuracy <= 1
    assert command_line.parse(RetrainConfig, commands[3]).batch_size == 1024


def test_select_command_and_the_training_of_its_cell(tmp_path, monkeypatch):
    """As shown, on a tiny search of the digits."""
    monkeypatch.chdir(tmp_path)
    (arguments,) = _commands("sdarts_tf.select")
    config = command_line.parse(SelectConfig, [*arguments, "--interval=1"])
    settings = {"space": "s2", "dataset": "digits", "channels": 2, "cells": 3, "epochs": 1, "batch_size": 12}
    search(SearchConfig(run_dir=config.run_dir, max_examples=24, **settings))
    genotype, _ = select(config)
    (training,) = [arguments for arguments in _commands("sdarts_tf.retrain") if "select" in "".join(arguments)]
    training = command_line.parse(RetrainConfig, [*training, *TINY, "--dataset=digits"])
    assert Genotype.load(training.genotype) == genotype
    assert 0 <= retrain(training).test_accuracy <= 1


def test_the_two_machines_are_a_cluster_with_one_set_of_flags():
    """The commands themselves are run by tests/training/workers_test.py, as two processes."""
    pattern = r"^TF_CONFIG='(.*)' \\\n *python -m sdarts_tf.search (.*)$"
    shown = re.findall(pattern, README, re.MULTILINE)
    clusters = [cluster.read("multi_worker", {"TF_CONFIG": text}) for text, _ in shown]
    assert [each.index for each in clusters] == [0, 1] and clusters[0].addresses == clusters[1].addresses
    configs = [command_line.parse(SearchConfig, shlex.split(flags, comments=True)) for _, flags in shown]
    assert configs[0] == configs[1] and configs[0].strategy == "multi_worker"


@pytest.fixture
def in_this_process():
    """Runs the jobs of a study here, which saves their starting processes."""
    commands = {"search": (SearchConfig, search), "retrain": (RetrainConfig, retrain)}

    def run(chain):
        for job in chain:
            config_class, command = commands[job.command]
            command(command_line.parse(config_class, job.arguments()))

    return run


def _shown_study(module, config_class, folder, **smaller):
    """The settings of the shown command, with its file made tiny in `folder`."""
    (arguments,) = _commands(module)
    config = command_line.parse(config_class, arguments)
    keys = json.loads((ROOT / config.file).read_text())
    small = {"channels": 2, "cells": 3, "epochs": 1, "max_examples": 60, "batch_size": 24}
    for name in {"settings", "retrain"} & set(keys):
        keys[name] |= small
    (folder / "examples").mkdir()
    (folder / config.file).write_text(json.dumps(keys | smaller))
    return config


def test_tune_command(tmp_path, monkeypatch, in_this_process):
    """As shown, its trials one and tiny."""
    pytest.importorskip("keras_tuner")
    monkeypatch.chdir(tmp_path)
    config = _shown_study("sdarts_tf.tune", TuneConfig, tmp_path, trials=1)
    keys = json.loads(pathlib.Path(config.file).read_text())
    pathlib.Path(config.file).write_text(json.dumps(keys | {"settings": keys["settings"] | {"gap_batches": 1}}))
    (trial,) = tune(config, in_this_process).trials
    lines = pathlib.Path("runs/tune_digits/trials/0/metrics.jsonl").read_text().splitlines()
    assert trial.figures["pruned_accuracy"] == json.loads(lines[-1])["pruned_accuracy"]


def test_sweep_command(tmp_path, monkeypatch, in_this_process):
    """As shown, with one method, space and seed, tiny."""
    monkeypatch.chdir(tmp_path)
    axes = {"method": ["darts"], "space": ["s2"], "dataset": ["digits"], "seed": [0]}
    config = _shown_study("sdarts_tf.sweep", SweepConfig, tmp_path, sweep=axes)

    def run_all(chains, environments, tell):
        for chain in chains:
            in_this_process(chain)
        return []

    heading, row = sweep(config, run_all).table
    result = json.loads(pathlib.Path("runs/sweep_digits/darts-s2-digits-0/retrain/result.json").read_text())
    error = f"{100 * (1 - result['test_accuracy']):.2f}"
    assert (heading, row) == (["space", "dataset", "darts"], ["s2", "digits", f"{error} ({error})"])


def test_search_from_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in _blocks("python") if "SearchConfig" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert "Edge(operation=" in capsys.readouterr().out
    assert (tmp_path / "runs" / "example" / "genotype.json").exists()


@pytest.fixture(scope="module")
def exported(trained_run, tmp_path_factory):
    """A folder in which the shown evaluation and exports were run, on the digits, and a picture of one as house.png."""
    folder, previous = tmp_path_factory.mktemp("shown"), pathlib.Path.cwd()
    (folder / "runs").mkdir()
    shutil.copytree(trained_run, folder / "runs" / "rs-s5-svhn-2")
    image = sources.get("digits").load("test").images[0]
    (folder / "house.png").write_bytes(tf.io.encode_png(image).numpy())
    os.chdir(folder)
    try:
        (evaluation,) = _commands("sdarts_tf.evaluate")
        assert evaluate(command_line.parse(EvaluateConfig, [*evaluation, "--max_examples=64"])).images == 64
        for arguments in _commands("sdarts_tf.export"):
            config = command_line.parse(ExportConfig, [*arguments, "--compared_images=40"])
            # The other formats are slow to convert; tests/export_test.py does so.
            assert export(config).name == "1" if config.format == "saved_model" else check(config)
    finally:
        os.chdir(previous)
    return folder


def test_export_commands_show_every_format(exported):
    shown = {command_line.parse(ExportConfig, arguments).format for arguments in _commands("sdarts_tf.export")}
    named = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert shown == named == {"saved_model", "lite", "onnx"}
    assert {path.name for path in exported.glob("exports/svhn/1/*")} >= {"saved_model.pb", "MODEL_CARD.md"}


def test_exported_model_from_python_and_from_the_command_line(exported, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    (example,) = [block for block in _blocks("python") if "saved_model" in block]
    exec(compile(example, "README.md", "exec"), {})
    label, share = capsys.readouterr().out.split()
    command = re.search(r"`python (examples/classify.py .*?)`", README)[1].split()
    done = subprocess.run(
        [sys.executable, ROOT / command[0], *command[1:]], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"house.png: {label} ({100 * float(share):.1f} %)\n", done.stderr


def test_the_serving_client_takes_the_shown_flags():
    (line,) = [line for line in "\n".join(_blocks("bash")).splitlines() if "serving_client" in line]
    done = subprocess.run(
        [sys.executable, ROOT / line.split()[1], "--help"], capture_output=True, text=True, timeout=120
    )
    assert all(flag.split("=")[0] in done.stdout for flag in line.split() if flag.startswith("--"))


def test_import_command(tmp_path, monkeypatch):
    """As shown, from a state dict that is handed over instead of PyTorch's file."""
    from sdarts_tf import spaces
    from sdarts_tf.interop import torch_state

    (arguments,) = _commands("sdarts_tf.import_torch")
    config = command_line.parse(ImportConfig, arguments)
    network = spaces.get("darts").build_network(published.get(config.genotype), 10, 4, 5, auxiliary=True)
    state = {}
    for entry in torch_state.entries(network):
        state |= entry.split(entry.variable.numpy())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_torch, "load_state", lambda path: state)
    folder = import_torch.import_weights(config)
    reader = tf.train.load_checkpoint(str(folder / "checkpoints"))
    stored = [reader.get_tensor(f"network/{i}/.ATTRIBUTES/VARIABLE_VALUE") for i in range(len(network.variables))]
    for value, variable in zip(stored, network.variables, strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_table_of_flags_names_everything():
    rows = dict(re.findall(r"^\| `--(\w+)` \| (.*) \|$", README, re.MULTILINE))
    named = {flag: set(re.findall(r"`\+?(\w+)`", row)) for flag, row in rows.items()}
    assert named == {
        "method": set(ingredients.INGREDIENTS),
        "space": set(NAMES),
        "dataset": {*sources.NAMES, *text.NAMES},
    }


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([\w./]+)\)", README))))
def test_links_lead_to_files(target):
    assert (ROOT / target).exists()


def test_golden_command_is_the_one_shown():
    assert "`pytest tests/reference`" in README and (ROOT / "tests" / "golden").is_dir()
    help_text = subprocess.run([sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "--golden-dir" in help_text.stdout
