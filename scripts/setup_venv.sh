# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: a virtual environment with this package in it.
#
#   PYTHON  the interpreter that makes the environment, default python3
#   VENV    the environment's folder, default .venv in the checkout

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
[[ $VENV == /* ]] || VENV=$PWD/$VENV # the scripts may change directory before they use it

fail() {
  echo "${0##*/}: $*" >&2
  exit 2
}

# Makes the environment, unless it is there already.
create_venv() {
  local python=${PYTHON:-python3} version
  if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    fail "$python does not run; install Python 3.10 or newer, or name one with PYTHON=/path/to/python3."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python is Python $version and 3.10 or newer is needed; name one with PYTHON=/path/to/python3."
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; run: sudo apt-get install python$version-venv"
  echo "Creating $VENV with Python $version ..."
  "$python" -m venv "$VENV" || fail "$VENV cannot be created; name another folder with VENV=/path/to/folder."
}

# setup_venv cpu|gpu [EXTRA,...]: installs the checkout with one TensorFlow and the extras, unless that is done already.
# An environment keeps the TensorFlow that it was given first, because the two builds cannot live side by side.
setup_venv() {
  local build=$1 extras done_file key
  create_venv
  if [[ -f $VENV/sdarts_tf.build ]]; then
    build=$(<"$VENV/sdarts_tf.build")
    [[ $build == "$1" || $1 == cpu ]] || echo "$VENV holds the $build build of TensorFlow; remove it to get $1."
  fi
  extras=$build${2:+,$2}
  done_file=$VENV/sdarts_tf.installed-$extras
  key="$ROOT $(cksum <"$ROOT/setup.py")"
  if [[ -f $done_file && $(<"$done_file") == "$key" ]]; then
    return
  fi
  echo "Installing sdarts_tf[$extras] into $VENV (TensorFlow is large: this takes some minutes) ..."
  echo "$build" >"$VENV/sdarts_tf.build"
  # Python 3.10 comes with a pip that searches for a quarter of an hour for versions that fit together.
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check 'pip>=23.1' ||
    fail "pip could not be brought up to date; see its message above, mend it and run this script again."
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary -e "${ROOT}[$extras]" ||
    fail "pip could not install sdarts_tf[$extras]; see its message above, mend it and run this script again."
  echo "$key" >"$done_file"
}
