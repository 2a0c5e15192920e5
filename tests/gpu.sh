#!/bin/bash
# usage: tests/gpu.sh [RESULTS]
# Everything that wants a card, in one command and without a network: builds, runs every ctest, every
# model on the card at every budget, compute-sanitizer on some, measures, and writes
# RESULTS/<card>-<date>.json, .md and -lanes.svg (default docs/results). The Python packages and
# Debian packages of ./test.sh must be there already. Exit 8: no card, or no CUDA.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=${1:-docs/results}

# stop TEXT...: ends where nothing can be run.
stop() {
    printf 'tests/gpu.sh: %s\n' "$@" >&2
    exit 8
}

smi=$(command -v nvidia-smi) ||
    stop "no card is found: there is no nvidia-smi, which comes with NVIDIA's driver" \
        "without a card ./test.sh tests what can be tested: the device layer on a fake of CUDA, the" \
        "kernels by emulation"
cards=$("$smi" --query-gpu=name,compute_cap,driver_version,memory.total \
    --format=csv,noheader 2>/dev/null) && [ -n "$cards" ] ||
    stop "no card is found: nvidia-smi lists none: $("$smi" 2>&1 | head -n 1)"
command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || [ -x .cache/cuda/bin/nvcc ] ||
    stop "nvcc is not found; with a network, cmake/cuda_toolchain.sh sets it up in .cache/cuda"
python=.venv/bin/python
[ -x $python ] || python=python3
$python -c 'import numpy, onnx' 2>/dev/null ||
    stop "python3 has no numpy or onnx: run ./test.sh once where there is a network"
card=$(head -n 1 <<<"$cards")
name=$(cut -d, -f1 <<<"$card" | sed 's/^NVIDIA //; s/GeForce //' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
base=$results/$name-$(date +%Y-%m-%d)
echo "card: $card"
build=build-cuda passed=0 failed=0 skipped=0
mkdir -p "$results" $build
log=$build/gpu.log
: >"$log"

# check TITLE COMMAND...: one test; its output is shown when it fails.
check() {
    local title=$1 from
    shift
    from=$(wc -l <"$log")
    if "$@" >>"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $title"
    else
        failed=$((failed + 1))
        echo "FAILED  $title"
        tail -n +$((from + 1)) "$log" | tail -n 20 | sed 's/^/        /'
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped $1: $2"
}

check "build, all architectures" bash -c \
    "cmake --preset cuda && cmake --build $build -j $(nproc)"
[ -x $build/dmsrun ] && [ -e $build/libdms_cuda.so ] || {
    echo "$passed passed, $failed failed: without a build nothing else can run"
    exit 1
}
check "every ctest" ctest --test-dir $build -j "$(nproc)" --output-on-failure --no-tests=error
[ -d build/models ] || check "models of the tests" $python tests/models/make_models.py build/models
check "every model on the card, each budget: one digest, the references' values" \
    $python tests/e2e/run_cuda.py $build build/models --real

# One run of a small plan under a tool of compute-sanitizer.
sanitized() {
    local tool=$1 model=$2 plan=$build/sanitizer.plan
    $build/dmsc "build/models/$model/model.onnx" -o $plan --profile h100-pcie --device-mem floor -q \
        --dims-from "build/models/$model/set0" || return 1
    compute-sanitizer --tool "$tool" --error-exitcode 1 $build/dmsrun $plan --device cuda \
        --model-dir "build/models/$model"
}
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        for model in cnn_opset13 decoder_cache_opset18 encoder_opset18; do
            check "$tool: $model" sanitized $tool $model
        done
        for test in card_attention card_conv card_matmul_bits; do # what tensor cores are for
            check "$tool: $test" compute-sanitizer --tool "$tool" --error-exitcode 1 \
                $build/tests/cuda/$test
        done
    done
else
    skip "memcheck, racecheck" "compute-sanitizer is not on this machine"
fi

# Where the card cannot be measured, the data sheet takes its place of which all parts of the name are
# in the card's, the longest of them. What sheets call H100 SXM, NVIDIA names H100 80GB HBM3.
profile=$build/$name.json
rm -f "$profile"
check "calibration" $build/dmsrun --calibrate --device cuda -o "$profile"
if [ ! -s "$profile" ]; then
    key=$(tr -cd 'a-z0-9' <<<"$name")
    key=${key/hbm3/sxm} profile=
    for known in $($build/dmsc --list-profiles | awk '{ print $1 }'); do
        fits=yes
        for part in ${known//-/ }; do [[ $key == *$part* ]] || fits=; done
        [ -z "$fits" ] || [ ${#known} -le ${#profile} ] || profile=$known
    done
    profile=${profile:-h100-pcie}
    skip "predictions by a measured profile" "the data sheet '$profile' takes its place"
fi
check "measurements" $python tests/bench/gpu.py $build "$base" --profile "$profile" --card "$card"
[ ! -s "$base.md" ] || echo "written: $base.json, $base.md, $base-lanes.svg"
echo "$passed passed, $failed failed, $skipped skipped; $log has all of it"
[ "$failed" -eq 0 ]
