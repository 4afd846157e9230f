#!/usr/bin/env bash
# From a fresh machine to a model in production, on scikit-learn's digits: sets up an environment, searches a cell, trains
# its network, evaluates it, exports it, and classifies an image with the exported model.
#
#   scripts/quickstart.sh [FLAGS OF sdarts_tf.search]      for example --method=adv; not --run_dir
#
# PYTHON names the interpreter (3.10 or newer) and VENV the environment's folder. The run is written below ./runs.
set -euo pipefail

# shellcheck source=scripts/setup_venv.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup_venv.sh"

build=cpu
if nvidia-smi >/dev/null 2>&1; then
  build=gpu
fi
setup_venv "$build"

# A new folder each time, so that the script can be run again.
run=runs/quickstart-$(date +%Y%m%d-%H%M%S)
echo "1/5 Search" && "$VENV/bin/python" -m sdarts_tf.search --flagfile="$ROOT/flags/digits_rs.flags" "$@" --run_dir="$run"
echo "2/5 Train" && "$VENV/bin/python" -m sdarts_tf.retrain --flagfile="$ROOT/flags/digits_retrain.flags" --run_dir="$run"
echo "3/5 Evaluate" && "$VENV/bin/python" -m sdarts_tf.evaluate --run_dir="$run"
echo "4/5 Export" && "$VENV/bin/python" -m sdarts_tf.export --run_dir="$run" --out="$run/export"
echo "5/5 Classify a handwritten seven with the exported model"
"$VENV/bin/python" -c 'import sys; from matplotlib import image; from sklearn import datasets
image.imsave(sys.argv[1], datasets.load_digits().images[7], cmap="gray")' "$run/seven.png"
"$VENV/bin/python" "$ROOT/examples/classify.py" "$run/export/1" "$run/seven.png"
