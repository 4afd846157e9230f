#!/usr/bin/env bash
# Everything that is checked before a change is accepted: ruff, then the tests.
#
#   scripts/test.sh                  all but the slow tests
#   scripts/test.sh ARGUMENTS        pytest with these arguments, for example tests/spaces, or -m slow
#
# PYTHON names the interpreter (3.10 or newer) and VENV the environment's folder.
set -euo pipefail

# shellcheck source=scripts/setup_venv.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup_venv.sh"

setup_venv cpu dev,lite,onnx,serving,tune
# Without what it asks for: tensorflow, which must not meet tensorflow-cpu.
"$VENV/bin/python" -c 'import tensorflow_serving' 2>/dev/null ||
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps 'tensorflow-serving-api>=2.20,<3'
cd "$ROOT"

"$VENV/bin/ruff" check
"$VENV/bin/ruff" format --check
if [[ $# -gt 0 ]]; then
  exec "$VENV/bin/python" -m pytest -n 2 -q "$@"
fi
# In three parts: TensorFlow never gives memory back, and one process for all would hold 17 GB.
for part in "--ignore=tests/training --ignore=tests/conformance --ignore=tests/reference" \
  "tests/conformance tests/reference" tests/training; do
  # shellcheck disable=SC2086  # several words
  "$VENV/bin/python" -m pytest -n 2 -q -m "not slow" $part
done
