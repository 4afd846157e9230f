#!/usr/bin/env bash
# A first search on a fresh machine: sets up an environment, then searches a cell on scikit-learn's digits.
#
#   scripts/quickstart.sh [FLAGS OF sdarts_tf.search]      for example --method=adv
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

# A new folder each time, so that the script can be run again; a --run_dir among the arguments wins.
exec "$VENV/bin/python" -m sdarts_tf.search --flagfile="$ROOT/flags/digits_rs.flags" \
  --run_dir="runs/quickstart-$(date +%Y%m%d-%H%M%S)" "$@"
