#!/usr/bin/env bash
# What runtime/cpp is built and tested with, from Debian's packages, unpacked into a folder: no root, nothing installed.
# `make cpp-packages` calls it; tests/runtime/test_cpp.py finds what lies there. With `windows`, what `make cpp-windows`
# needs beyond that: MinGW-w64, Wine, and the sources of the libraries that Debian does not have for Windows.
set -euo pipefail
folder=$(realpath -m "${1:?usage: cpp_packages.sh FOLDER [windows]}")
kind=${2:-linux}
command -v apt-get >/dev/null || {
    echo "no apt-get here: install CMake, Ninja, nlohmann-json, GoogleTest, libpng, libjpeg-turbo and ONNX Runtime's header"
    [[ $kind == linux ]] || echo "and for Windows: MinGW-w64's g++ (posix threads) and Wine"
    exit 1
}
# ONNX Runtime is in the newer release only. Its header, all that is taken of it, fits any machine.
. "$(dirname "$0")/../../training/newer_debian.sh"
if [[ $kind == windows ]]; then
    sed -i 's/^deb /deb-src /p; s/^Types: deb$/Types: deb deb-src/' "$work"/sources/own-*
fi

"${apt[@]}" update
# With what these need and this machine lacks.
get() {
    "${apt[@]}" install --download-only --yes --no-install-recommends "$@"
}
if [[ $kind == windows ]]; then
    get g++-mingw-w64-x86-64-posix libz-mingw-w64-dev wine64 nlohmann-json3-dev
    (cd "$work/archives" && "${apt[@]}" source --download-only --tar-only libpng1.6 libjpeg-turbo googletest)
else
    get nlohmann-json3-dev libgtest-dev libpng-dev libturbojpeg0-dev
fi
(cd "$work/archives" && "${apt[@]}" download libonnxruntime-dev)
rm -rf "$folder"
mkdir -p "$folder"
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$folder"; done
for sources in "$work"/archives/*.orig.tar.*; do
    if [[ -f $sources && $sources != *.asc ]]; then
        name=${sources##*/}
        mkdir -p "$folder/sources/${name%%_*}"
        tar --extract --file "$sources" --directory "$folder/sources/${name%%_*}" --strip-components=1
    fi
done
# Debian's Wine expects to lie in /usr: its links, and the script that starts its server.
find "$folder" -type l -lname '/usr/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfn "$folder$(readlink "$link")" "$link"
done
if [[ -f $folder/usr/lib/wine/wineserver ]]; then
    # shellcheck disable=SC2016 # expanded where it runs
    sed -i 's|=/usr/lib/wine/|="$(dirname "$(realpath "$0")")"/|' "$folder/usr/lib/wine/wineserver"
fi
echo "unpacked into $folder: $(cd "$work/archives" && ls ./*.deb | tr '\n' ' ')"
