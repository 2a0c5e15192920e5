#!/bin/bash
# usage: tests/package/test_install.sh BUILD PLAN MODEL DIM VALUE
# Installs a build folder as a packager would and uses it from outside: headers, libraries, CMake
# package, pkg-config files. PLAN is a plan to run, MODEL a model to plan with --dim DIM=VALUE.
set -uo pipefail
[ $# -eq 5 ] || { sed -n 's/^# //p' "$0"; exit 2; }
build=$(realpath "$1") plan=$(realpath "$2") model=$(realpath "$3") dim=$4 value=$5
source=$(realpath "$(dirname "$0")/../..")
# shellcheck source=tests/package/common.sh
. "$source/tests/package/common.sh"
work=$build/package-test/install
rm -rf "$work" && mkdir -p "$work" || exit 1
libdir=$(sed -n 's/^CMAKE_INSTALL_LIBDIR:[A-Z]*=//p' "$build/CMakeCache.txt")
root=$work/first
lib=$root/$libdir

install_to() { cmake --install "$build" --prefix "$1"; }

# no_path FOLDER: none of its files says where it was built, or where it was installed at first.
no_path() {
    local said
    said=$(grep -rlaF -e "$source" -e "$build" -e "$work" "$1") && { echo "$said"; return 1; }
    return 0
}

ok "the build installs" install_to "$root"
ok "no installed file holds a path of the build" no_path "$root"

# What a packager sets is honoured, and nothing lands outside.
below_destdir() {
    DESTDIR=$work/stage cmake --install "$build" --prefix /usr &&
        [ "$(ls "$work/stage")" = usr ] &&
        same "$(cd "$root" && find . | sort)" "$(cd "$work/stage/usr" && find . | sort)"
}
ok "DESTDIR takes the same files beneath the prefix" below_destdir

has_manual() {
    local page
    for page in man1/dmsc.1 man1/dmsrun.1 man3/dms.3 man3/dms_open.3 man3/dms_close.3; do
        [ -s "$root/share/man/$page" ] || { echo "$page is missing"; return 1; }
    done
    for page in "$root"/share/man/man3/dms_*.3; do
        [ -s "$root/share/man/$(sed -n 's/^.so //p' "$page")" ] || { echo "$page leads nowhere"; return 1; }
    done
    [ "$(find "$root/share/bash-completion/completions" -type f | wc -l)" -eq 2 ]
}
ok "manual pages, one name per function, and completion are there" has_manual
reads_page() { [ "$(man -M "$root/share/man" dms_bind | grep -c 'dms_bind')" -ge 3 ]; }
if command -v man >/dev/null; then
    ok "man finds the page of a function" reads_page
else
    skip "man finds the page of a function" "no man"
fi

# Names: the shared library exports what its headers declare, the archive nothing but dms_*.
only_our_names() {
    local foreign
    foreign=$(nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -vE '^dms_')
    [ -z "$foreign" ] || { echo "$foreign"; return 1; }
}
has_versions() {
    exports "$1" | grep -vE '@@DMS_[0-9]+\.[0-9]+$' && return 1
    readelf -d "$1" | grep -qE 'SONAME.*\[libdms\.so\.[0-9]+\]'
}
ok "libdms.so exports the prototypes of its headers, neither more nor less" \
    same "$(prototypes "$root/include/dms")" "$(exports "$lib/libdms.so" | sed 's/@.*//')"
ok "every export has a version, and the library a name with one" has_versions "$lib/libdms.so"
ok "libdms.a has no global name that does not begin with dms_" only_our_names "$lib/libdms.a"
no_dmsrun() { ! nm -g --defined-only "$1" 2>/dev/null | grep -q dmsrun; }
ok "libdms.a holds nothing of the command line" no_dmsrun "$lib/libdms.a"

# The CUDA device is loaded by name from a folder that is ours; it links nothing of CUDA's that a
# machine without a card lacks.
loads_no_cuda() { ! readelf -d "$lib/dms/libdms_cuda.so" | grep -iE 'NEEDED.*(cuda|cublas|nv)'; }
plan_for_card() {
    "$root/bin/dmsc" "$model" -o "$work/cuda.plan" --dim "$dim=$value" --profile h100-pcie -q
}
# finds_cuda COMMAND...: runs a plan for a card, or is refused because of the card or its driver.
finds_cuda() {
    local said
    said=$("$@" 2>&1)
    [ -n "$said" ] && ! grep 'libdms_cuda' <<<"$said"
}
by_library() {
    cat >"$work/open.c" <<'EOF'
#include <runtime/dms.h>
int main(int argc, char **argv) {
    dms_session *session = NULL;
    dms_status st;
    dms_options options = {.device = "cuda"};
    if (argc != 2 || dms_open(argv[1], &options, &session, &st) != DMS_OK)
        puts(st.msg);
    else
        puts(dms_session_device(session));
    dms_close(session);
    return 0;
}
EOF
    ${CC:-cc} -D_GNU_SOURCE -o "$work/open" "$work/open.c" -I "$root/include/dms" -L "$lib" -ldms
}
if [ -e "$build/libdms_cuda.so" ]; then
    ok "the CUDA device needs no library of CUDA to be loaded" loads_no_cuda
    ok "it exports one name" same dms_cuda_library_entry "$(exports "$lib/dms/libdms_cuda.so" | sed 's/@.*//')"
    ok "the installed dmsc plans for a card" plan_for_card
    ok "the installed dmsrun finds the CUDA device" \
        finds_cuda "$root/bin/dmsrun" "$work/cuda.plan" --model-dir "${model%/*}" --device cuda
    ok "a program with libdms is built" by_library
    ok "libdms finds the CUDA device" finds_cuda env LD_LIBRARY_PATH="$lib" "$work/open" "$work/cuda.plan"
    hidden() { mv "$lib/dms" "$lib/dms.off" && "$@"; local code=$?; mv "$lib/dms.off" "$lib/dms"; return $code; }
    ok "without the file both say that it is not there" hidden \
        refuses "libdms_cuda.so is not there" "$root/bin/dmsrun" "$work/cuda.plan" --device cuda
else
    skip "the CUDA device" "libdms_cuda is not built here"
fi

# docs/third-party.md names the library behind every one that is loaded.
named_libraries() {
    local stem
    readelf -d "$root/bin/dmsc" "$root/bin/dmsrun" "$lib/libdms.so" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' |
        sort -u | while read -r stem; do
        grep -qE "\b(lib)?${stem#lib}\b" "$source/docs/third-party.md" || { echo "$stem"; exit 1; }
    done
}
ok "docs/third-party.md names every library that is loaded" named_libraries

# Every public header stands by itself.
each_header() {
    local h flags
    for h in $(cd "$root/include/dms" && find . -name '*.h' -printf '%P\n'); do
        flags=(-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$root/include/dms")
        echo "#include \"$h\"" | ${CC:-cc} "${flags[@]}" -x c - || return 1
    done
}
ok "every installed header compiles alone, without a warning" each_header

# Consumers. What the example prints is what the one in the build folder prints.
wanted=$("$build/tests/example_embed" "$plan" 2)
ok "the example of the build folder runs" [ -n "$wanted" ]
configure() {
    cmake -S "$source/tests/package/consumer" -B "$work/$1" -DCMAKE_PREFIX_PATH="$root" \
        -DEMBED_C="$source/docs/example/embed.c" "${@:2}"
}
by_cmake() { configure by-cmake && cmake --build "$work/by-cmake"; }
ok "find_package(dms) builds a project outside" by_cmake
ok "its program runs a plan with the shared library" same "$wanted" "$("$work/by-cmake/embed" "$plan" 2)"
ok "its program runs a plan with the archive" same "$wanted" \
    "$("$work/by-cmake/embed_static" "$plan" 2)"
uses() { readelf -d "$1" | grep -q 'NEEDED.*libdms\.so'; }
ok "the first of them loads libdms" uses "$work/by-cmake/embed"
ok "the second does not" refuses "" uses "$work/by-cmake/embed_static"
ok "a program plans, proves and runs a model by library calls" \
    "$work/by-cmake/plan_and_run" "${model%/*}" "${model##*/}" "$work/made.plan" "$dim" "$value"
certified() {
    "$root/bin/dmsc" "$model" -o "$work/certified.plan" --dim "$dim=$value" --device-mem 50% -q \
        --dump-problem "$work/problem.json" --certificate "$work/prices.json" &&
        "$root/share/dms/check_certificate.py" "$work/problem.json" "$work/prices.json"
}
ok "the installed checker accepts a certificate of the installed dmsc" certified
ok "dmsc --verify agrees with the plan that it made" "$root/bin/dmsc" --verify "$work/made.plan" "$model"
if [ -x "$work/by-cmake/embed_cxx" ]; then
    ok "a C++ program opens a plan" "$work/by-cmake/embed_cxx" "$plan"
else
    skip "a C++ program opens a plan" "no C++ compiler"
fi
sed 's/find_package(dms 0.1 /find_package(dms 0.2 /' "$source/tests/package/consumer/CMakeLists.txt" \
    >"$work/newer.cmake"
mkdir -p "$work/newer" && cp "$work/newer.cmake" "$work/newer/CMakeLists.txt"
ok "find_package refuses a version that is not there" refuses 'requested version "0.2"' \
    cmake -S "$work/newer" -B "$work/newer/build" -DCMAKE_PREFIX_PATH="$root"

# pkg-config, from a tree that was moved after it was installed.
mv "$root" "$work/moved"
root=$work/moved lib=$work/moved/$libdir
export PKG_CONFIG_PATH=$lib/pkgconfig
by_pkg_config() {
    local out=$1
    shift
    # shellcheck disable=SC2046
    ${CC:-cc} -o "$work/$out" "$source/docs/example/embed.c" $(pkg-config "$@" --cflags --libs dms)
}
ok "pkg-config builds the example" by_pkg_config pc
ok "which runs a plan" same "$wanted" "$(LD_LIBRARY_PATH=$lib "$work/pc" "$plan" 2)"
planner_by_pkg_config() {
    # shellcheck disable=SC2046
    ${CC:-cc} -D_GNU_SOURCE -o "$work/pcc" "$source/tests/package/consumer/plan_and_run.c" \
        $(pkg-config --cflags --libs dmsc) &&
        "$work/pcc" "${model%/*}" "${model##*/}" "$work/pc.plan" "$dim" "$value"
}
ok "pkg-config builds a program that plans and runs" planner_by_pkg_config
ok "both ways make the same plan" cmp "$work/pc.plan" "$work/made.plan"
ok "pkg-config knows the version" pkg-config --exists 'dms >= 0.1' 'dmsc < 0.2'
ok "the moved programs run" "$root/bin/dmsrun" "$work/made.plan" --model-dir "${model%/*}" --digest

# One kind of library alone. (Configured, not built.)
only() {
    cmake -S "$source" -B "$work/kind-$1" -DBUILD_TESTING=OFF -DBUILD_SHARED_LIBS="$1" >/dev/null &&
        cmake --build "$work/kind-$1" --target help | grep -oE '\b(dms|dms_static|dmsc_static)$' |
        sort | paste -sd' '
}
ok "BUILD_SHARED_LIBS=ON leaves the archives out" same "dms" "$(only ON)"
ok "BUILD_SHARED_LIBS=OFF leaves the shared library out" same "dms_static dmsc_static" "$(only OFF)"
[ "$failed" -ne 0 ] || rm -rf "$work"
sum
