#!/bin/bash
# usage: tests/e2e/test_gpu.sh BUILD MODELS
# Runs tests/gpu.sh where no card is, every part of it: what comes with a card (nvidia-smi,
# compute-sanitizer) and what takes long (building, ctest, large models) is replaced by a few words, the
# libdms_cuda by the fake of tests/cuda. No figure that it prints means anything, and none is kept.
set -uo pipefail
[ $# -eq 2 ] || { sed -n 's/^# //p' "$0"; exit 2; }
build=$(realpath "$1") models=$(realpath "$2")
source=$(realpath "$(dirname "$0")/../..")
# shellcheck source=tests/package/common.sh
. "$source/tests/package/common.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
python=$source/.venv/bin/python
[ -x "$python" ] || python=$(command -v python3)

# stand_in NAME: a program of that name, in front of all others; its text comes on stdin.
stand_in() {
    { echo '#!/bin/bash'; cat; } >"$work/bin/$1" && chmod +x "$work/bin/$1"
}
mkdir -p "$work/bin" "$work/tree/build"
ln -s "$source/tests" "$source/.cache" "$work/tree/"
ln -s "$models" "$work/tree/build/models"
mkdir "$work/tree/build-cuda"
ln -s "$build"/dmsc "$build"/libdms_cuda.so "$work/tree/build-cuda/"
# What is measured is a clock's: the fake that runs plans would take hours for a card's products.
stand_in dmsrun <<EOF
[[ \$1 != --calibrate ]] || export FAKE_CUDA=clock,\$FAKE_CUDA
exec "$build/dmsrun" "\$@"
EOF
mv "$work/bin/dmsrun" "$work/tree/build-cuda/"
mkdir -p "$work/tree/build-cuda/tests/cuda"
for test in card_attention card_conv card_matmul_bits; do
    stand_in $test <<<'exit 0'
    mv "$work/bin/$test" "$work/tree/build-cuda/tests/cuda/"
done
stand_in nvidia-smi <<<'echo "NVIDIA ${SMI_NAME:-H100 PCIe}, 9.0, 580.65, 81559 MiB"'
stand_in nvcc <<<'exit 0'
stand_in cmake <<<'exit 0'
stand_in ctest <<<'exit 0'
stand_in compute-sanitizer <<<'while [[ $1 == --* ]]; do shift 2; done; exec "$@"'
stand_in python3 <<EOF
[ -z "\${NO_SCRIPTS:-}" ] || exit 0
case \$1 in
*/gpu.py) set -- "\$@" --small --tokens 1,32 --repeats 2 ;;
*/run_cuda.py) set -- "\$@" --only external_opset9,random_03 ;;
esac
exec "$python" "\$@"
EOF

# gpu [VARIABLE=VALUE...]: the script, in the tree made above; what it said is in $work/said.
gpu() {
    env PATH="$work/bin:$PATH" LD_LIBRARY_PATH="$build/tests/cuda" "$@" \
        bash "$work/tree/tests/gpu.sh" "$work/results" >"$work/said" 2>&1
    code=$?
    cat "$work/said"
}
passes() { gpu && [ $code -eq 0 ] && grep -qE '^[0-9]+ passed, 0 failed' "$work/said"; }
ok "every part of gpu.sh runs, on a card that works" passes
checked() { [ "$(grep -c '^ok *\(memcheck\|racecheck\): card_' "$work/said")" -eq 6 ]; }
ok "kernels of tensor cores run under memcheck and racecheck" checked
wrote() {
    local base
    base=$work/results/h100-pcie-$(date +%Y-%m-%d)
    [ -s "$base.json" ] && [ -s "$base.md" ] && [ -s "$base-lanes.svg" ] && grep -q '| tiny |' "$base.md"
}
# Every line of the table of issue 10, measured or with the reason why not; a target beside each.
has_every_goal() {
    local base goal
    base=$work/results/h100-pcie-$(date +%Y-%m-%d)
    for goal in 'copies to the card while it computes, .* >= 0.95' \
        'tiny, prefill 32, 50%, of the resident time .* <= 1.05' 'tiny, prefill 32, 25%' \
        'tiny, prefill 32, 12.5%' 'decode at 12.5 %, of the rate that the link allows .* >= 0.95' \
        'resident prefill 32, PyTorch eager .* >= 1.0' 'resident prefill 32, PyTorch compile' \
        'resident decode, PyTorch eager .* printed' 'share that the cache takes through the host' \
        'resident prefill 32, scores, of PyTorch.* printed' \
        'resident decode, share of launches, .* | 0\.[0-9]* | printed' \
        'decode at 12.5 %, share of launches, .* printed' \
        'tiny, prefill 32, floor, bytes | [0-9]* | printed' \
        '12.5 %, prefill 2048, accelerate .* >= 5' '12.5 %, prefill 32, diffusers .* >= 1.0' \
        'tiny-large, prefill 32, 12.5 %, of resident throughput .* >= 0.9' \
        'count beside arena and kernels, bytes | [0-9]* | <= 2097152 | met' \
        'measured over predicted, every row .* 0.90 to 1.10'; do
        grep -q -- "$goal" "$base.md" || { echo "no row: $goal" && return 1; }
    done
}
ok "it writes a table, a picture and their numbers, named after the card" wrote
ok "every goal of the card has its row and its target" has_every_goal
calibrated() { grep -q '^ok *calibration' "$work/said" && ! grep -q 'data sheet' "$work/said"; }
ok "the card is calibrated, and no data sheet takes its place" calibrated
fails() { gpu "$1" && [ $code -eq 1 ] && grep -q 'FAILED' "$work/said" && ! grep -q ' 0 failed' "$work/said"; }
ok "a card that dies is a failure of each part that needs it" fails FAKE_CUDA=fail_entry=30,code=719
# takes CARD PROFILE: of the script nothing is run but what chooses the data sheet.
rm "$work/bin/compute-sanitizer"
takes() { gpu SMI_NAME="$1" FAKE_CUDA=no_driver NO_SCRIPTS=1 && grep -F "data sheet '$2'" "$work/said"; }
ok "the data sheet is that of the card: A100" takes "A100-SXM4-80GB" a100-80
ok "the data sheet is that of the card: A100 PCIe" takes "A100 80GB PCIe" a100-80-pcie
ok "the data sheet is that of the card: H100 SXM" takes "H100 80GB HBM3" h100-sxm
ok "the data sheet is that of the card: L40S" takes "L40S" l40s
ok "the data sheet is that of the card: RTX 4090" takes "GeForce RTX 4090" rtx4090
ok "a card without a data sheet takes another's" takes "RTX 6000 Ada" h100-pcie
rm "$work/bin/nvidia-smi"
if command -v nvidia-smi >/dev/null; then
    skip "without a card it ends with code 8" "there is one"
else
    none() { gpu && [ $code -eq 8 ] && grep -q 'no card is found' "$work/said"; }
    ok "without a card it ends with code 8" none
fi
sum
