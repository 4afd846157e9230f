"""Resident memory of a search or a training after each of its epochs, one JSON line each.

Starts the command, looks at its run's metrics.jsonl ten times a second, and reads the process's memory when an epoch
has been added. A run that leaks nothing ends with what it had after its first epochs.

    python scripts/memory_curve.py runs/soak/metrics.jsonl python -m sdarts_tf.search --run_dir=runs/soak \
        --dataset=digits --space=s2 --method=adv --channels=2 --cells=3 --batch_size=32 --epochs=100
"""

import json
import pathlib
import subprocess
import sys
import time


def resident_mb(pid: int) -> float:
    """Resident memory of a process on Linux, in MB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0  # it is ending


def main(metrics, *command):
    """Runs the command and prints the curve."""
    metrics, began, epochs = pathlib.Path(metrics), time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(0.1)
        lines = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
        if lines > epochs:
            epochs, seconds = lines, round(time.monotonic() - began, 1)
            print(json.dumps({"epoch": epochs, "mb": resident_mb(process.pid), "seconds": seconds}), flush=True)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
