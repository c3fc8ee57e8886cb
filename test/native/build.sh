#!/usr/bin/env bash
# Makes tfjs-node available to the tests: bash test/native/build.sh
#
# tfjs-node's own install script fetches a TensorFlow 2.9 library and a prebuilt addon from outside npm. Here the addon is compiled (two C++
# files) against the shared objects of the tensorflow-cpu wheel from PyPI, once per version, in a cache outside the clone that outlives it:
# ${TFJS_GGN_CACHE:-~/.cache/tfjs-ggn}. The clone gets the package, without its TensorFlow.js, under .cache/native/node_modules, where Node's
# own resolution finds the TensorFlow.js of this project: one engine, one set of classes.
#
# Where something cannot be had, it says so in one loud line and succeeds: the tests that need tfjs-node are then skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

TENSORFLOW=2.21.0
WHEEL_PYTHON=3.11      # of the wheel to unpack: only its shared objects are used, by no Python
tfjs=$(node -p "require('@tensorflow/tfjs/package.json').version")
arch=$(uname -m)
cache=${TFJS_GGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tfjs-ggn}
home=$cache/tfjs-node-$tfjs-tensorflow-$TENSORFLOW-$arch
link=.cache/native

skip() {
  rm -rf "$link"
  printf '\n=== tfjs-node tests SKIPPED: %s ===\n\n' "$*"
  exit 0
}

# The parts of a build, all in the folder $1. (Called before ||, where set -e is off.)
fetch_packages() {
  npm install --prefix "$1" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
    "@tensorflow/tfjs-node@$tfjs" node-api-headers@1.9.0
}

fetch_tensorflow() {
  python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
    --python-version "$WHEEL_PYTHON" --platform "manylinux_2_27_$arch" --dest "$1/wheel" "tensorflow-cpu==$TENSORFLOW" &&
  python3 - "$1" <<'PYTHON'
import glob, os, sys, zipfile
to = sys.argv[1]
with zipfile.ZipFile(glob.glob(to + '/wheel/*.whl')[0]) as wheel:
    headers = ('tensorflow/include/tensorflow/', 'tensorflow/include/tsl/', 'tensorflow/include/xla/tsl/')
    libraries = ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2')
    wheel.extractall(to, [name for name in wheel.namelist() if name.startswith(headers) or name in libraries])
PYTHON
}

compile_addon() {
  local package=$1/node_modules/@tensorflow/tfjs-node
  # Its TensorFlow.js is to be that of the project.
  find "$1/node_modules/@tensorflow" -mindepth 1 -maxdepth 1 ! -name tfjs-node -exec rm -rf {} +
  mkdir -p "$1/lib" "$package/lib/napi-v8"
  mv "$1"/tensorflow/lib*.so.2 "$1/lib"
  g++ -std=c++17 -O2 -shared -fPIC -DNAPI_VERSION=8 -DBUILDING_NODE_EXTENSION \
    -I"$1/tensorflow/include" -I"$1/node_modules/node-api-headers/include" \
    "$package"/binding/tfjs_backend.cc "$package"/binding/tfjs_binding.cc \
    -L"$1/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,'$ORIGIN' -o "$1/lib/tfjs_binding.node"
  # Node opens an addon by its real path, where $ORIGIN is the folder of the libraries.
  ln -s "$home/lib/tfjs_binding.node" "$package/lib/napi-v8/tfjs_binding.node"
  rm -r "$1/tensorflow" "$1/wheel"
}

[ "$(uname -s)" = Linux ] || skip 'the build is for Linux'
for tool in g++ npm python3 flock; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9                               # of two at once, the second finds what the first has built
if [ ! -e "$home/complete" ]; then
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  echo "building tfjs-node $tfjs against TensorFlow $TENSORFLOW"
  fetch_packages "$build" || skip 'its npm packages could not be had'
  fetch_tensorflow "$build" || skip "the wheel tensorflow-cpu $TENSORFLOW could not be had from PyPI"
  compile_addon "$build"
  touch "$build/complete"
  rm -rf "$home"
  mv "$build" "$home"
fi
flock -u 9

rm -rf "$link"
mkdir -p "$link/node_modules/@tensorflow"
for dependency in @mapbox google-protobuf progress; do
  ln -s "$home/node_modules/$dependency" "$link/node_modules/"
done
cp -R "$home/node_modules/@tensorflow/tfjs-node" "$link/node_modules/@tensorflow/"
echo "tfjs-node $tfjs with TensorFlow $TENSORFLOW: $home"
