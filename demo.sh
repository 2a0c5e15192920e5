#!/bin/bash
# usage: ./demo.sh
# Plans a trained text recogniser under 1/8 of its weights, runs it on docs/words.png, prints the
# text it reads, and proves that the output is bit for bit the one of the run with all resident.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=cmake/setup.sh
. cmake/setup.sh

out=build/demo
dims=(--dim p2o.DynamicDimension.0=1 --dim 'x[2]=48' --dim p2o.DynamicDimension.1=192)

# show COMMAND...: prints a command as one would type it, then runs it.
show() {
    printf '\n$ %s\n' "${*@Q}" | sed "s/'\([A-Za-z0-9_./:=%+-]*\)'/\1/g"
    "$@"
}

setup_packages
setup_python
setup_build default
setup_recogniser
rm -rf "$out" && mkdir -p "$out"
$python docs/ocr.py prepare docs/words.png "$out/input.npy"

show build/dmsc "$recogniser" -o "$out/eighth.plan" --device-mem 12.5% "${dims[@]}" \
    --dot "$out/plan.dot" --report "$out/plan.html"
show dot -Tsvg "$out/plan.dot" -o "$out/plan.svg"
show build/dmsc "$recogniser" -o "$out/resident.plan" "${dims[@]}" -q

for budget in resident eighth; do
    show build/dmsrun "$out/$budget.plan" --model-dir .cache --input "x=$out/input.npy" \
        --output "$out/$budget" --digest | tee "$out/$budget.txt"
done

echo
if ! cmp "$out/resident/output_0.npy" "$out/eighth/output_0.npy"; then
    echo "the outputs differ: this is a bug"
    exit 1
fi
echo "same bits: the output under 1/8 of the weights is the output with everything resident"
printf 'the text in docs/words.png: '
$python docs/ocr.py read "$recogniser" "$out/eighth/output_0.npy"
echo "pictures of the plan: $out/plan.svg, $out/plan.html"
