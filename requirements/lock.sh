#!/usr/bin/env bash
# Writes the lock files (hashes, markers, no index addresses). Run through `make lock`, which keeps the versions that
# are locked, or `make lock ARGS=--upgrade`, which takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly arguments=("$@")

compile() { # compile OUTPUT SOURCE [FURTHER ARGUMENTS…]
  local output=$1 source=$2
  shift 2
  uv pip compile "$source" --universal --python-version 3.11 --generate-hashes --quiet \
    --no-emit-index-url --no-emit-find-links --no-annotate \
    --custom-compile-command 'make lock' "$@" "${arguments[@]}" --output-file "$output"
}

# The widest set first; the narrower ones are constrained by it, so all three agree on every version.
compile requirements/dev.txt pyproject.toml --extra local --extra dev
compile requirements/local.txt pyproject.toml --extra local --constraint requirements/dev.txt
compile requirements/runtime.txt pyproject.toml --constraint requirements/dev.txt
# What scripts/bootstrap.sh installs the others with.
compile requirements/uv.txt - <<<uv
