#!/usr/bin/env bash
# Writes the three lock files (hashes, markers, no index addresses). Run through `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile OUTPUT [EXTRA ARGUMENTS…]
  local output=$1
  shift
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
    --no-emit-index-url --no-emit-find-links --no-annotate --upgrade \
    --custom-compile-command 'make lock' "$@" --output-file "$output"
}

# The widest set first; the narrower ones are constrained by it, so all three agree on every version.
compile requirements/dev.txt --extra local --extra dev
compile requirements/local.txt --extra local --constraint requirements/dev.txt
compile requirements/runtime.txt --constraint requirements/dev.txt
