#!/usr/bin/env bash
# Makes .venv from the locked requirements, and the `heartwave` command in it. Repeating it takes no time.
#
#   scripts/bootstrap.sh local   what the demo needs (default)
#   scripts/bootstrap.sh dev     that, and what the tests and checks need
#
# PYTHON=/path/to/python3.12 chooses the interpreter. Packages come from wherever pip and uv are told to take them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SUPPORTED='3.13 3.12 3.11'
readonly NEEDED_MB=5000 # 3 GB of packages, their byte code, and a little room
readonly wanted=${1:-local}
readonly root=$PWD
readonly venv=$root/.venv

fail() {
  echo "HeartWave: $*" >&2
  exit 1
}

[[ -f requirements/$wanted.txt ]] || fail "there is no set of requirements called '$wanted': say local or dev."
# A pip or Python setting for another project would send packages there, or bring its own.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV

# What an environment was made from. It is bound to its place too: the scripts in it hold absolute paths.
fingerprint() {
  { echo "$venv" && cat "requirements/$1.txt" requirements/uv.txt scripts/bootstrap.sh; } | sha256sum | cut -d' ' -f1
}
is_made() { [[ -x $venv/bin/heartwave && -f $venv/.made-$1 && $(<"$venv/.made-$1") == "$(fingerprint "$1")" ]]; }
works() { "$venv/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

# The larger set holds the smaller one.
if { is_made "$wanted" || { [[ $wanted == local ]] && is_made dev; }; } && works; then
  exit 0
fi

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Prints the interpreter to use; fails with one sentence about what is missing.
find_python() {
  local candidate version found='' incomplete=''
  local candidates=("${PYTHON:-}")
  if [[ -z ${PYTHON:-} ]]; then
    candidates=()
    for version in $SUPPORTED; do candidates+=("python$version"); done
    candidates+=(python3 python)
  fi
  for candidate in "${candidates[@]}"; do
    version=$(version_of "$candidate") || continue
    if [[ " $SUPPORTED " != *" $version "* ]]; then
      found=${found:-"$candidate is Python $version"}
    elif "$candidate" -c 'import ensurepip, ssl, venv' 2>/dev/null; then
      echo "$candidate"
      return
    else
      incomplete=${incomplete:-$version}
    fi
  done
  if [[ -n $incomplete ]]; then
    fail "Python $incomplete is here without its venv module: install it (Debian and Ubuntu: sudo apt install python$incomplete-venv) and repeat."
  fi
  found=${found:-"${PYTHON:-python3} is not there"}
  fail "Python 3.11, 3.12 or 3.13 is needed and $found: install one, or name it with PYTHON=/path/to/python3.12, and repeat."
}

# An environment that was moved, or whose Python has gone or been replaced, is made anew.
if [[ -e $venv ]] && { ! works || { [[ -f $venv/.place ]] && [[ $(<"$venv/.place") != "$venv" ]]; }; }; then
  echo "The virtual environment no longer works here: it is made anew."
  rm -rf "$venv"
fi

if [[ ! -e $venv ]]; then
  python=$(find_python)
  free_mb=$(df -Pm . | awk 'NR == 2 { print $4 }')
  ((free_mb >= NEEDED_MB)) || fail "the packages need $NEEDED_MB MB, and $root has $free_mb MB free: make room and repeat."
  echo "Making .venv with $("$python" --version)"
  "$python" -m venv "$venv" || { rm -rf "$venv" && fail "$python cannot make a virtual environment (see above)."; }
  echo "$venv" >"$venv/.place"
fi
rm -f "$venv"/.made-*

echo "Installing the packages of requirements/$wanted.txt (about 3 GB; the first time takes minutes)"
if [[ ! -x $venv/bin/uv ]]; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
fi
# The lock is complete, and leaves out what others only declare: --no-deps. Byte code now spares every process
# seconds later (tensorflow: eight).
UV_COMPILE_BYTECODE=1 "$venv/bin/uv" pip install --python "$venv/bin/python" --no-deps --require-hashes \
  -r "requirements/$wanted.txt"

# The package is used from where it lies: no build, nothing to download, and edits count at once.
echo "$root" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/heartwave.pth"
{
  echo '#!/bin/sh'
  echo '# Made by scripts/bootstrap.sh.'
  echo 'unset PYTHONPATH PYTHONHOME'
  echo '# The servers are on this machine; a proxy cannot reach them.'
  echo 'NO_PROXY="127.0.0.1,localhost${no_proxy:+,$no_proxy}${NO_PROXY:+,$NO_PROXY}"'
  echo 'no_proxy=$NO_PROXY'
  echo 'export NO_PROXY no_proxy'
  printf 'exec %q -m heartwave_tasks.cli "$@"\n' "$venv/bin/python"
} >"$venv/bin/heartwave"
chmod +x "$venv/bin/heartwave"

fingerprint "$wanted" >"$venv/.made-$wanted"
