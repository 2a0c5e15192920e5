#!/bin/bash
# usage: cmake/cuda_toolchain.sh
# Puts nvcc 13.0, its headers and the static CUDA runtime into .cache/cuda, from four packages of the
# Python index, for machines without a CUDA toolkit: then `cmake --preset default` finds them there.
# Needs python3-venv, g++ and the network, once. It neither needs a card nor installs a driver.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cmake/setup.sh
. cmake/setup.sh
setup_cuda
