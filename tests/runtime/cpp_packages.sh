#!/usr/bin/env bash
# What runtime/cpp is built and tested with, from Debian's packages, unpacked into a folder: no root, nothing installed.
# `make cpp-packages` calls it; tests/runtime/test_cpp.py finds what lies there.
set -euo pipefail
folder=$(realpath -m "${1:?usage: cpp_packages.sh FOLDER}")
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# The first Debian with ONNX Runtime. Only its header is taken from there, which fits any machine.
newer=trixie

command -v apt-get >/dev/null || {
    echo "no apt-get here: install CMake, Ninja, nlohmann-json, GoogleTest, libpng, libjpeg-turbo and ONNX Runtime's header"
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,archives/partial}
# This machine's own mirrors, and the same ones with the newer release.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    if [[ -s $file ]]; then
        cp "$file" "$work/sources/own-${file##*/}"
        sed "s/\b$codename\b/$newer/g" "$file" >"$work/sources/newer-${file##*/}"
    fi
done
# A machine that already is on the newer release has its sources once.
[[ $codename != "$newer" ]] || rm -f "$work"/sources/newer-*
printf 'Package: *\nPin: release n=%s*\nPin-Priority: 50\n' "$newer" >"$work/preferences"
[[ $codename != "$newer" ]] || : >"$work/preferences"

apt=(apt-get --quiet=2 -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources"
    -o Dir::Etc::Preferences="$work/preferences" -o Dir::Etc::PreferencesParts=/dev/null
    -o Dir::State::Lists="$work/lists" -o Dir::Cache::Archives="$work/archives" -o Dir::Cache::pkgcache= -o
    Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Debug::NoLocking=true)
"${apt[@]}" update
# With what these need and this machine lacks.
"${apt[@]}" install --download-only --yes --no-install-recommends \
    nlohmann-json3-dev libgtest-dev libpng-dev libturbojpeg0-dev
(cd "$work/archives" && "${apt[@]}" download libonnxruntime-dev)
rm -rf "$folder"
mkdir -p "$folder"
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$folder"; done
echo "unpacked into $folder: $(cd "$work/archives" && ls ./*.deb | tr '\n' ' ')"
