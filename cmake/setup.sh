# shellcheck shell=bash
# Sourced by demo.sh and test.sh, which run in the project's folder: the packages, the Python
# environment and the build that both need. Says what it installs; installs nothing twice; needs
# no network once everything is there.

debian_packages=(gcc libc6-dev make cmake pkg-config libprotobuf-c-dev protobuf-c-compiler
    libonnx-dev liblpsolve55-dev libsuitesparse-dev libgraphviz-dev graphviz libjansson-dev libcmocka-dev
    libxxhash-dev liburing-dev libopenblas-serial-dev python3-venv)
python=.venv/bin/python
recogniser=.cache/ppocr_v4_rec.onnx

# Installs the Debian packages that are missing, through sudo where the user is not root.
setup_packages() {
    local package sudo=() missing=()
    command -v dpkg-query >/dev/null || return 0   # not Debian: CMake names what is missing
    for package in "${debian_packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    echo "installing Debian packages: ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Makes the Python environment of tests and demo in .venv, with the versions pinned there.
setup_python() {
    local pins=tests/requirements.txt
    cmp -s "$pins" .venv/installed.txt 2>/dev/null && return 0
    echo "installing into .venv: $(tr '\n' ' ' <"$pins")"
    python3 -m venv .venv &&
        $python -m pip install --quiet --disable-pip-version-check -r "$pins" &&
        cp "$pins" .venv/installed.txt
}

# setup_build PRESET [TARGET...]: configures and builds; prints the log only when that fails.
setup_build() {
    local preset=$1 folder=build log
    shift
    [ "$preset" = default ] || folder=build-$preset
    mkdir -p "$folder"
    log=$folder/setup.log
    echo "building preset $preset into $folder/"
    if ! { cmake --preset "$preset" && cmake --build "$folder" -j "$(nproc)" --target "${@:-all}"; } >"$log" 2>&1; then
        tail -n 40 "$log"
        return 1
    fi
}

# Fetches the trained text recogniser of the demo, which is a model of the tests too.
setup_recogniser() {
    local wheel=.cache/rapidocr_onnxruntime-1.4.4-py3-none-any.whl
    [ -f "$recogniser" ] && return 0
    echo "fetching a model: rapidocr-onnxruntime 1.4.4 (15 MB) into .cache/"
    mkdir -p .cache
    { [ -f "$wheel" ] ||
        $python -m pip download --quiet --disable-pip-version-check --no-deps --dest .cache \
            rapidocr-onnxruntime==1.4.4; } &&
        $python docs/ocr.py unpack "$wheel" "$recogniser.part" &&
        mv "$recogniser.part" "$recogniser"
}

# Sets up nvcc in .cache/cuda where none is found: see cuda_toolchain.sh. All four have one version,
# for nvcc takes its parts from the others.
setup_cuda() {
    local version='13.0.*' root
    local packages=(nvidia-cuda-nvcc nvidia-cuda-runtime nvidia-nvvm nvidia-cuda-crt)
    if [ -x .cache/cuda/bin/nvcc ]; then
        echo "nvcc is in .cache/cuda"
        return 0
    fi
    command -v g++ >/dev/null || { echo "nvcc needs g++: apt-get install g++" >&2; return 1; }
    echo "installing into .cache/cuda-packages: ${packages[*]} $version"
    mkdir -p .cache
    python3 -m venv .cache/cuda-packages &&
        .cache/cuda-packages/bin/python -m pip install --quiet --disable-pip-version-check \
            "${packages[@]/%/==$version}" || return 1
    root=$(find .cache/cuda-packages -path '*/bin/nvcc' -print -quit)
    [ -n "$root" ] || { echo "the packages hold no nvcc" >&2; return 1; }
    chmod +x "$root"
    root=$(cd "$(dirname "$root")/.." && pwd)
    ln -sfn "$root" .cache/cuda
    .cache/cuda/bin/nvcc --version | grep release
}
