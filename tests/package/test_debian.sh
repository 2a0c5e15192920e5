#!/bin/bash
# usage: tests/package/test_debian.sh BUILD MODEL DIM VALUE
# Makes the Debian packages of a build folder, looks into them, installs them with dpkg into a scratch
# root, uses what is there, and removes them again. No network; nothing of the machine is touched.
set -uo pipefail
[ $# -eq 4 ] || { sed -n 's/^# //p' "$0"; exit 2; }
build=$(realpath "$1") model=$(realpath "$2") dim=$3 value=$4
source=$(realpath "$(dirname "$0")/../..")
# shellcheck source=tests/package/common.sh
. "$source/tests/package/common.sh"
for tool in dpkg dpkg-deb dpkg-shlibdeps gzip; do
    command -v $tool >/dev/null || { skip "Debian packages" "no $tool"; sum; exit; }
done
work=$build/package-test/debian
rm -rf "$work" && mkdir -p "$work/one" "$work/two" "$work/bin" || exit 1
libdir=$(sed -n 's/^CMAKE_INSTALL_LIBDIR:[A-Z]*=//p' "$build/CMakeCache.txt")

# The packages are the same bytes whenever they are made, for one date.
make_packages() {
    SOURCE_DATE_EPOCH=1700000000 cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/$1" >"$work/$1.log" 2>&1
}
ok "cpack makes the packages" make_packages one || cat "$work/one.log"
ok "and makes them again" make_packages two
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")-1
arch=$(dpkg --print-architecture)
packages=(dms libdms0 libdms-dev)
[ ! -e "$build/libdms_cuda.so" ] || packages+=(dms-cuda)
deb() { echo "$work/one/$1_${version}_$arch.deb"; }
for package in "${packages[@]}"; do
    ok "$package is the same bytes both times" \
        cmp "$(deb "$package")" "$work/two/${package}_${version}_$arch.deb"
done

# What they say of themselves.
depends() { dpkg-deb -f "$(deb "$1")" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' | sort | paste -sd' '; }
needs() {
    local have want
    have=" $(depends "$1") "
    for want in "${@:2}"; do
        [[ $have == *" $want "* ]] || { echo "$1 does not depend on $want:$have"; return 1; }
    done
}
ok "the programs depend on the libraries they load" needs dms libc6 libprotobuf-c1 libcgraph6 libjansson4
ok "the library depends on neither solver nor graphviz" same "libc6 libprotobuf-c1" \
    "$(depends libdms0 | sed 's/ liburing2//')"
ok "the headers depend on exactly this library" same "libdms0 (= $version)" \
    "$(dpkg-deb -f "$(deb libdms-dev)" Depends)"
if [ -e "$build/libdms_cuda.so" ]; then
    ok "the CUDA device depends on exactly this version of either, and on the C library" \
        same "dms (= $version) | libdms0 (= $version), libc6" \
        "$(dpkg-deb -f "$(deb dms-cuda)" Depends | sed 's/libc6 ([^)]*)/libc6/; s/\(libc6\), \(.*\)/\2, \1/')"
else
    skip "the package of the CUDA device" "libdms_cuda is not built here"
fi
symbols() {
    dpkg-deb -I "$(deb libdms0)" symbols | sed -n 's/^ \(dms_[a-z0-9_]*\)@\(DMS_[0-9.]*\) .*/\1@@\2/p' | sort
}

# Installed into a root of its own. Scripts of the packages call ldconfig, which must not reach the
# machine's cache: they find one that does nothing.
printf '#!/bin/sh\nexit 0\n' >"$work/bin/ldconfig"
chmod +x "$work/bin/ldconfig"
root=$work/root
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(fakeroot)
dpkg_here() {
    PATH=$work/bin:$PATH:/usr/sbin:/sbin "${as_root[@]}" dpkg --root="$root" --force-script-chrootless \
        --force-depends --force-not-root --log="$work/dpkg.log" "$@"
}
install_all() {
    mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers,parts} && touch "$root/var/lib/dpkg/status" &&
        dpkg_here -i $(for package in "${packages[@]}"; do deb "$package"; done)
}
if [ "$(id -u)" -eq 0 ] || command -v fakeroot >/dev/null; then
    ok "dpkg installs them" install_all
    ok "dpkg finds every file as it was packed" dpkg_here -V "${packages[@]}"
    has_dpkg=yes
else
    skip "dpkg installs them" "neither root nor fakeroot; they are unpacked"
    for package in "${packages[@]}"; do dpkg-deb -x "$(deb "$package")" "$root"; done
    has_dpkg=
fi
lib=$root/usr/$libdir
ok "the library's symbols file is what it exports" same "$(exports "$lib/libdms.so.0")" "$(symbols)"

papers() {
    local package
    for package in "${packages[@]}"; do
        for file in copyright changelog.gz changelog.Debian.gz; do
            [ -s "$root/usr/share/doc/$package/$file" ] || { echo "$package has no $file"; return 1; }
        done
    done
    find "$root/usr/share/man" -type f ! -name '*.gz' | grep . && return 1
    ! find "$root" -perm /022 ! -type l -path '*/usr/*' | grep .
}
ok "each has its papers, pages are packed, nothing can be written by others" papers
no_path() { ! grep -rlaF -e "$source" -e "$build" "$root/usr"; }
ok "no file holds a path of the build" no_path
has_no_debug() { ! readelf -S "$root"/usr/bin/dms* "$lib/libdms.so.0" | grep -E '\.debug|\.comment'; }
ok "programs and library are stripped" has_no_debug
now_bound() { [ "$(readelf -d "$root/usr/bin/dmsc" "$root/usr/bin/dmsrun" "$lib/libdms.so.0" | grep -cE 'Flags:.*NOW')" -ge 3 ]; }
ok "their tables of functions cannot be written while they run" now_bound

# Used from there.
folder=${model%/*}
"$build/dmsc" "$model" -o "$work/built.plan" --dim "$dim=$value" --device-mem 50% -q
digest() { "$@" --model-dir "$folder" --digest | sed -n 's/.*digest *//p'; }
ok "dmsc plans" "$root/usr/bin/dmsc" "$model" -o "$work/installed.plan" --dim "$dim=$value" --device-mem 50% -q
ok "the same plan as the one of the build folder" cmp "$work/built.plan" "$work/installed.plan"
ok "dmsrun runs it to the same bits" same "$(digest "$build/dmsrun" "$work/built.plan")" \
    "$(digest "$root/usr/bin/dmsrun" "$work/installed.plan")"
# A plan for a card runs, or the card, its driver are refused: the library itself was found.
finds_cuda() {
    local said
    "$root/usr/bin/dmsc" "$model" -o "$work/cuda.plan" --dim "$dim=$value" --profile h100-pcie -q || return 1
    said=$("$root/usr/bin/dmsrun" "$work/cuda.plan" --model-dir "$folder" --device cuda 2>&1)
    echo "$said"
    ! grep -q 'libdms_cuda' <<<"$said"
}
if [ -e "$build/libdms_cuda.so" ]; then
    ok "dmsrun finds the CUDA device" finds_cuda
    ok "which is stripped" refuses "" bash -c "readelf -S '$lib/dms/libdms_cuda.so' | grep -E '\.debug|\.comment'"
fi
embed() {
    # shellcheck disable=SC2046
    ${CC:-cc} -o "$work/embed" "$root/usr/share/doc/dms/examples/embed.c" \
        $(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags --libs dms) &&
        cp "$work/installed.plan" "$work/moved.plan" && cp "$folder"/*.* "$work/" &&
        LD_LIBRARY_PATH=$lib "$work/embed" "$work/moved.plan" 2
}
ok "the example of the package is built and runs" embed
if command -v lintian >/dev/null; then
    ok "lintian finds no error" lintian --profile debian --fail-on error "$work"/one/*.deb
else
    skip "lintian finds no error" "no lintian"
fi
if [ -n "$has_dpkg" ]; then
    ok "dpkg removes them" dpkg_here -r "${packages[@]}"
    left() { ! find "$root/usr" ! -type d 2>/dev/null | grep .; }
    ok "and nothing is left" left
fi
[ "$failed" -ne 0 ] || rm -rf "$work"
sum
