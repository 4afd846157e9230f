"""Which part of the machine each of several processes gets. Imports no TensorFlow, which would take all of it."""

import os
import subprocess

from sdarts_tf.errors import InputError


def environments(jobs: int | None = None, *, at_most: int | None = None) -> list[dict[str, str]]:
    """What the processes of jobs that run at the same time get: a GPU each, or a part of the cores.

    Args:
        jobs: how many; default as many as there are GPUs, else cores. More than there are GPUs share them.
        at_most: how many are left to run, which share the machine where there are fewer than `jobs`.

    Raises:
        InputError: fewer than one.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs={jobs} is out of range; give a number that is at least 1.")
    gpus = visible_gpus()
    if gpus:
        count = _fewer(jobs or len(gpus), at_most)
        shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if count > len(gpus) else {}
        return [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)], **shared} for number in range(count)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = _fewer(jobs or cores, at_most)
    if count == 1:
        return [{}]
    threads = str(max(1, cores // count))
    return [{"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads} for _ in range(count)]


def _fewer(count, at_most):
    return count if at_most is None else min(count, at_most)


def visible_gpus() -> list[str]:
    """The GPUs that a process may use, as CUDA_VISIBLE_DEVICES names them; none without NVIDIA's driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name and name != "-1"]
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.split()
