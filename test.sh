#!/bin/bash
# usage: ./test.sh [--all]
# Sets up, builds and runs every fast test; --all adds the slow ones: sanitizers, every model at
# every budget, and the acceptance harness where ../shared is present. Behind every suite stands how
# long it took, and how much of that of processors; the last line adds up.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=cmake/setup.sh
. cmake/setup.sh

case "${1:-}" in
"") all= ;;
--all)
    all=yes
    export DMS_TEST_ALL=1 # some unit tests then leave nothing out
    ;;
*)
    echo "usage: ./test.sh [--all]" >&2
    exit 2
    ;;
esac
passed=0 failed=0 skipped=0 n_runners=0 titles=()
at_once=$(($(nproc) + 1)) # one more than there are processors: some tests wait for disks and clocks
shared=../shared
TIMEFORMAT='%R %U %S'
mkdir -p build

# seconds FILE: what `time` has left there, for people.
seconds() {
    awk '{ printf "%.0f s, %.0f s of processors\n", $1, $2 + $3 }' "$1"
}

# timed COMMAND...: runs it and says how long it took.
timed() {
    local code=0
    { time "$@" 2>&3 || code=$?; } 3>&2 2>build/timed
    echo "   ($(seconds build/timed))"
    return "$code"
}

# tally PASSED FAILED SKIPPED: adds to the sums.
tally() {
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# suite TITLE BUILD [ctest options]: runs the ctests of one build folder.
suite() {
    local title=$1 folder=$2 n bad off
    shift 2
    echo "== $title"
    rm -f "$folder/ctest.xml"
    { time ctest --test-dir "$folder" -j "$at_once" --output-on-failure --no-tests=error \
        --output-junit ctest.xml "$@" >"$folder/ctest.log" 2>&1 || true; } 2>"$folder/ctest.time"
    count() { sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$folder/ctest.xml" | head -n 1; }
    if [ -s "$folder/ctest.xml" ] && n=$(count tests) && [ "${n:-0}" -gt 0 ]; then
        bad=$(count failures) off=$(count skipped)
        tally $((n - bad - off)) "$bad" "$off"
        echo "$((n - bad - off)) passed, $bad failed, $off skipped ($(seconds "$folder/ctest.time"))"
        [ "$bad" -eq 0 ] || cat "$folder/ctest.log"
    else
        tally 0 1 0
        cat "$folder/ctest.log"
    fi
}

# runner TITLE COMMAND...: runs a program whose last line is 'N passed, N failed[, N skipped]'. What it
# printed is shown when it failed. Some run at a time, the longest had better come first; gather waits.
runner() {
    local log=build/runner.$((++n_runners)).log
    titles[n_runners]=$1
    shift
    rm -f "$log.code"
    while [ "$(jobs -pr | wc -l)" -ge "$at_once" ]; do wait -n || true; done
    { time "$@" </dev/null >"$log" 2>&1 || echo "$?" >"$log.code"; } 2>"$log.time" &
}

# gather: the results of the runners so far, in their order.
gather() {
    local form='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$' log line code k
    wait
    for ((k = 1; k <= n_runners; k++)); do
        log=build/runner.$k.log code=0
        [ ! -s "$log.code" ] || code=$(cat "$log.code")
        echo "== ${titles[k]}"
        [ "$code" -eq 0 ] || cat "$log"
        line=$(tail -n 1 "$log")
        if [[ $line =~ $form ]] && [ $((code != 0)) -eq $((BASH_REMATCH[2] != 0)) ]; then
            echo "$line ($(seconds "$log.time"))"
            tally "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]:-0}"
        else
            echo "${titles[k]} ended with code $code, not with its sum: counted as one failure"
            tally 0 1 0
        fi
        rm -f "$log" "$log.code" "$log.time"
    done
    n_runners=0
}

# check TITLE COMMAND...: one test, passed when the command exits with 0.
check() {
    echo "== $1"
    if "${@:2}"; then tally 1 0 0; else tally 0 1 0; fi
}

# The house's figures hold, the ratio of tests to source among them (tests/README.md).
style() {
    python3 "$shared/measure_style.py" --check . --exclude '^(build|\.venv|\.cache)'
}

# Ends the script where nothing can be tested.
give_up() {
    echo "$passed passed, $((failed + 1)) failed"
    exit 1
}

setup_packages || give_up
setup_python || give_up
timed setup_build default || give_up
setup_recogniser || give_up
suite "unit tests" build
echo "== making the models of the tests (once)"
$python tests/models/make_models.py build/models || give_up
node_data=$($python -c 'import onnx, pathlib; print(pathlib.Path(onnx.__file__).parent)')
node_data=$node_data/backend/test/data/node
changed_models=(build/models/{cnn_opset7,branches_opset18}/model.onnx)
changed_plan=build/models/external_opset9/changed.plan
build/dmsc build/models/external_opset9/model.onnx -o $changed_plan --dim rows=5 \
    --device-mem 50% -q || give_up

runner "pages of --report" $python tests/e2e/test_report.py build build/models \
    $([ -z "$all" ] || [ ! -d "$shared" ] || echo "$shared")
if [ -z "$all" ]; then
    runner "every model at 100 % and at its floor" $python tests/e2e/run_models.py build \
        build/models --quick
else
    runner "every model at every budget" $python tests/e2e/run_models.py build build/models
fi
runner "models on the fake card" $python tests/e2e/run_cuda.py build build/models $([ -n "$all" ] || echo --quick)
runner "command lines" $python tests/e2e/test_cli.py build build/models
runner "certificates" $python tests/e2e/test_certificate.py build build/models
runner "decisions" $python tests/e2e/test_decision.py build build/models
runner "offsets for buffers" $python tests/e2e/test_arena.py build
runner "calls that fail" $python tests/fault/run_faults.py build build/models --first 3
runner "machines that fail" $python tests/fault/run_machine.py build build/models
runner "ONNX's own node tests" build/tests/node_tests \
    --expected tests/conformance/expected.txt "$node_data"
runner "every parser on changed inputs" $python tests/fuzz/run.py build --runs 2000
runner "changed plans, run where they pass" $python tests/e2e/change_plans.py build 68 \
    build/models/{branches_opset18,external_opset9,speech_opset14}
runner "changed models" build/tests/fuzz_model 100 "${changed_models[@]}"
runner "changed plans" build/tests/fuzz_plan 2000 $changed_plan
runner "hostile files, refused in a second and 100 MB" $python tests/e2e/hostile.py build
gather

if [ -n "$all" ]; then
    runner "tests/gpu.sh, every part of it on the fake card" tests/e2e/test_gpu.sh build build/models
    runner "period / bound of plans, as in results.csv" build/tests/bench/planner "$shared" --fast \
        --check tests/bench/results.csv
    runner "installed, and used from outside" tests/package/test_install.sh build $changed_plan \
        build/models/external_opset9/model.onnx rows 5
    gather   # both write into the build folder
    runner "Debian packages" tests/package/test_debian.sh build \
        build/models/external_opset9/model.onnx rows 5 # and the next build beside them
    timed setup_build asan || give_up
    suite "unit tests under address and undefined behaviour sanitizers" build-asan -L unit
    runner "machines that fail, sanitized" $python tests/fault/run_machine.py build-asan build/models
    runner "calls that fail, sanitized" $python tests/fault/run_faults.py build-asan build/models \
        --first 1
    runner "command lines, sanitized" $python tests/e2e/test_cli.py build-asan build/models
    runner "clang takes every file" $python tests/clang.py build
    runner "every parser on changed inputs, sanitized" $python tests/fuzz/run.py build-asan --runs 40000
    runner "10,000 changed plans, run where they pass" $python tests/e2e/change_plans.py build 255 \
        build/models/{cnn_opset13,decoder_cache_opset18,encoder_opset18,external_opset9} \
        build/models/{quantised_opset17,random_03,speech_opset14,streaming_opset22} \
        $(ls -d "$shared"/models/{bert-tiny,gpt2-tiny,gtcrn,llama-tiny-fp16,mnist_cntk} 2>/dev/null)
    runner "changed plans, sanitized" $python tests/e2e/change_plans.py build-asan 68 \
        build/models/{branches_opset18,external_opset9,speech_opset14}
    runner "changed models, sanitized" build-asan/tests/fuzz_model 500 "${changed_models[@]}"
    runner "changed plans, sanitized" build-asan/tests/fuzz_plan 20000 $changed_plan
    gather
    threaded=(test_engine test_engine_threads test_session test_timeline test_pool test_storage
        test_user_copy test_dmsrun test_random_plans test_failed_turn test_cuda_session)
    timed setup_build tsan "${threaded[@]}" dmsrun example_embed || give_up
    suite "unit tests with threads under the thread sanitizer" build-tsan \
        -R "^($(IFS='|' && echo "${threaded[*]}"))\$"
    if [ -d "$shared" ]; then
        # refused by name, for now: Loop, NonZero, If on a condition that an input decides
        models=$(find "$shared/models" -mindepth 2 -maxdepth 2 -name model.onnx -printf '%h\n' |
            sed 's|.*/||' | grep -vxE 'gru_loop|moe-tiny-ts|silero_vad' | sort | paste -sd,)
        runner "acceptance" python3 "$shared/accept/accept.py" --bin build --only "$models"
        runner "acceptance, a quarter on the device and a quarter on the host" \
            python3 "$shared/accept/accept.py" --bin build --host 25% --budgets 25%,floor \
            --sets 1 --threads 2 --only "$models"
        runner "large graphs" $python tests/e2e/test_graphs.py build "$shared/graphs"
        runner "offsets for buffers, every known instance" $python tests/e2e/test_arena.py build \
            "$shared/arena"
        runner "bad input" python3 "$shared/accept/bad/run_bad.py" --bin build --megabytes 100
        gather
        check "style of the tree" style
    else
        echo "== ../shared is not here: its models, bad input and style check are skipped"
        tally 0 0 1
    fi
fi

echo
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
