#!/usr/bin/env bash
# Writes .env from .env.example with a generated secret for each empty variable. Never touches an existing .env.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-.env}
if [[ -e $target ]]; then
  echo "$target exists already and holds the secrets of your databases; it is left as it is." >&2
  exit 1
fi

secret() { # letters and digits only, since most secrets become part of a URL
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}
fernet_key() { # 32 bytes in URL-safe base64, as Airflow's encryption wants them
  head -c 32 /dev/urandom | base64 | tr '+/' '-_'
}

# mktemp makes a file that is its owner's alone.
draft=$(mktemp "$target.XXXXXX")
trap 'rm -f "$draft"' EXIT
while IFS= read -r line; do
  case $line in
    *FERNET_KEY=) printf '%s%s\n' "$line" "$(fernet_key)" ;;
    [A-Z]*=) printf '%s%s\n' "$line" "$(secret)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <.env.example >"$draft"
# A link, unlike a move, fails when somebody else has written the file meanwhile.
ln "$draft" "$target"
echo "Wrote $target, readable by you alone. Back it up: without it the data cannot be opened again."
