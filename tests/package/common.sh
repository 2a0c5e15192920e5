# shellcheck shell=bash
# Sourced by the tests of this folder: counting, and what two of them use.
passed=0 failed=0 skipped=0

# ok TITLE COMMAND...: one test. What it said is shown when it failed.
ok() {
    local title=$1 said code=0
    shift
    said=$("$@" 2>&1) || code=$?
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$title" "$said" | tail -n 30
    fi
}

# skip TITLE WHY
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

# refuses TEXT COMMAND...: the command fails and says TEXT.
refuses() {
    local text=$1 said
    shift
    said=$("$@" 2>&1) && { echo "was not refused: $*"; return 1; }
    grep -qF -- "$text" <<<"$said" || { echo "$said"; return 1; }
}

# The sum, in the form that test.sh reads.
sum() {
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
}

# prototypes FOLDER: the functions that runtime/dms.h and what it includes declare, one a line.
prototypes() {
    ${CC:-cc} -E -P -I "$1" "$1/runtime/dms.h" | grep -oE '\bdms_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u
}

# exports LIBRARY: what a shared library gives to those who load it, one a line.
exports() {
    nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sort
}

# same TEXT TEXT
same() {
    [ -n "$1" ] && diff <(echo "$1") <(echo "$2")
}
