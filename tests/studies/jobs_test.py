"""Jobs of a stand-in for Python: a shell script that notes how it was called and does what a flag says."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.errors import Diverged, InputError, RunError
from sdarts_tf.studies import devices, jobs
from sdarts_tf.studies.jobs import Job
from sdarts_tf.training.interruption import Interrupted

# Called as `script -m sdarts_tf.search --run_dir=FOLDER [--resume | --do=...]`.
SCRIPT = """#!/bin/sh
folder=${3#--run_dir=}
mkdir -p "$folder"
echo "$(date +%s%N) begins $GPU $*" >> "$folder/../calls"
trap 'echo stopped >> "$folder/../calls"; exit 143' TERM
echo {} > "$folder/config.json"
case "$*" in
  *--do=fail*) echo "sdarts_tf.search: It went wrong." >&2; exit "${4#--do=fail}" ;;
  *--do=wait*) while [ ! -e "$folder/../go" ]; do sleep 0.02; done ;;
esac
echo {} > "$folder/genotype.json"
echo "$(date +%s%N) ends" >> "$folder/../calls"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return tmp_path


def calls(folder):
    lines = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    return [line.partition(" ")[2] for line in lines]


def job(folder, name, *flags):
    return Job("search", folder / name, flags)


def test_what_is_finished_is_not_repeated_and_what_was_begun_is_resumed(folder):
    (folder / "begun").mkdir()
    (folder / "begun" / "config.json").write_text("{}")
    chain = [job(folder, "new", "--seed=1"), job(folder, "begun", "--seed=2")]
    jobs.run(chain)
    jobs.run(chain)
    first, second = (line for line in calls(folder) if line.startswith("begins"))
    assert first.endswith(f"-m sdarts_tf.search --run_dir={folder}/new --seed=1")
    assert second.endswith(f"-m sdarts_tf.search --run_dir={folder}/begun --resume")


@pytest.mark.parametrize("status, kind", [(1, RunError), (2, jobs.Unusable), (3, Diverged)])
def test_a_failure_is_told_in_its_own_words_and_ends_its_chain_only(folder, status, kind):
    failing = [job(folder, "failing", f"--do=fail{status}"), job(folder, "never")]
    (failure,) = jobs.run_all([failing, [job(folder, "other")]], [{}])
    assert type(failure) is kind
    assert f"ended with status {status}: It went wrong; see {folder}/failing.txt." in str(failure)
    assert (folder / "other" / "genotype.json").exists() and not (folder / "never").exists()


def test_as_many_run_side_by_side_as_there_are_environments(folder):
    chains = [[job(folder, str(number), "--do=wait")] for number in range(3)]

    def release():
        while len(calls(folder)) < 2:
            time.sleep(0.01)
        time.sleep(0.3)
        noted.append(len(calls(folder)))
        (folder / "go").touch()

    noted = []
    watcher = threading.Thread(target=release)
    watcher.start()
    assert jobs.run_all(chains, [{"GPU": "0"}, {"GPU": "1"}]) == []
    watcher.join()
    assert noted == [2]  # the third waited
    begun = [line.split()[1] for line in calls(folder) if line.startswith("begins")]
    assert sorted(begun[:2]) == ["0", "1"] and len(begun) == 3


def test_a_training_has_the_searchs_data_folder_with_the_searchs_data_set_only(tmp_path):
    search = SearchConfig(dataset="svhn", data_dir="moved")
    for given, expected in (
        ({}, ("--data_dir=moved",)),
        ({"dataset": "svhn"}, ("--data_dir=moved",)),
        ({"dataset": "svhn", "data_dir": "mine"}, ("--data_dir=mine",)),
        ({"dataset": "cifar10"}, ()),
    ):
        assert jobs.training(RetrainConfig(**given), search, tmp_path).always == expected


def test_a_signal_is_passed_on_and_all_is_waited_for(folder):
    def interrupt():
        while len(calls(folder)) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(Interrupted) as raised:
        jobs.run_all([[job(folder, str(number), "--do=wait")] for number in range(3)], [{}, {}])
    watcher.join()
    assert raised.value.exit_status == 143
    assert (folder / "calls").read_text().count("stopped") == 2


def test_a_run_on_which_a_process_of_a_killed_study_still_works_is_waited_for(folder):
    orphan = job(folder, "run", "--do=wait")
    with open(orphan.log, "a") as log:
        assert jobs._locked(log)
        process = subprocess.Popen([sys.executable, "-m", "sdarts_tf.search", *orphan.arguments()], stdout=log)
    timer = threading.Timer(0.3, (folder / "go").touch)
    timer.start()
    jobs.run([orphan])
    assert process.wait() == 0 and len([line for line in calls(folder) if line.startswith("begins")]) == 1


def test_a_gpu_each_or_a_part_of_the_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert devices.environments() == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in devices.environments(3)] == ["2", "5", "2"]
    assert devices.environments(3)[0]["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert devices.environments(2) == [{"TF_NUM_INTRAOP_THREADS": "3", "TF_NUM_INTEROP_THREADS": "3"}] * 2
    assert len(devices.environments()) == 6 and devices.environments(1) == [{}]
    # Fewer runs than cores share all of them.
    assert devices.environments(at_most=2) == devices.environments(6, at_most=2) == devices.environments(2)
    assert devices.environments(2, at_most=9) == devices.environments(2)
    with pytest.raises(InputError, match="--jobs=0"):
        devices.environments(0)


def test_the_driver_is_asked_for_gpus_where_nothing_names_them(tmp_path, monkeypatch):
    tool = pathlib.Path(tmp_path / "nvidia-smi")
    tool.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert devices.visible_gpus() == ["0", "1"]
    tool.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.visible_gpus() == []
