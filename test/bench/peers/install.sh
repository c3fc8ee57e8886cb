#!/usr/bin/env bash
# Installs tf-levenberg-marquardt from PyPI into a cache outside the clone and prints the path of its Python.
set -euo pipefail
home=${TFJS_GGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tfjs-ggn}/tf-levenberg-marquardt-1.0.3-tensorflow-2.19.1
if [ ! -e "$home/complete" ]; then
  rm -rf "$home"
  mkdir -p "$(dirname "$home")"
  python3 -m venv "$home" >&2
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check tf-levenberg-marquardt==1.0.3 tensorflow-cpu==2.19.1 >&2
  touch "$home/complete"
fi
echo "$home/bin/python"
