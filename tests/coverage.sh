#!/bin/bash
# usage: tests/coverage.sh
# Lines of what reads and proves files of strangers (onnx/, schema/, runtime/check) that their unit
# tests and the fuzz corpus reach together, per file; fails below 95 %. Builds and runs the suites of
# these parts alone: what other tests reach in passing says nothing. Needs gcovr (Debian: gcovr).
set -euo pipefail
cd "$(dirname "$0")/.."
build='build-coverage'
parts='arena|beneath|check|compile|dims|dtype|file|gather|hash|json|machine|meaning|onnx|pack|plan|spans'
parts+='|fuse|ops|status|trace|view'
suites=$(cd tests/unit && ls | sed -nE "s/^(test_($parts)[a-z0-9_]*)\.c\$/\1/p")
command -v gcovr >/dev/null || { echo "gcovr is missing: apt-get install gcovr" >&2; exit 2; }
cmake --preset coverage >/dev/null
# shellcheck disable=SC2086 # one word each
cmake --build "$build" -j "$(nproc)" --target fuzz dmsc dmsrun $suites >"$build/build.log" 2>&1 ||
    { tail -n 40 "$build/build.log"; exit 1; }
find "$build" -name '*.gcda' -delete
ctest --test-dir "$build" -L unit -R "^($(echo "$suites" | paste -sd'|'))\$" -j "$(nproc)" \
    >"$build/ctest.log" 2>&1 ||
    failed="some unit tests fail, see $build/ctest.log: their lines count as far as they came"
python3 tests/fuzz/run.py "$build" --runs 5000
gcovr --root . "$build" --filter 'onnx/' --filter 'schema/' --filter 'runtime/check/' \
    --sort-percentage --fail-under-line 95
[ -z "${failed:-}" ] || { echo "$failed" >&2; exit 1; }
