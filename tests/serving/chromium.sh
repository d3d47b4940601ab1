#!/usr/bin/env bash
# Chromium for the tests of the page, from Debian's packages, unpacked into a folder: no root, nothing installed.
# `make browser` calls it; tests/serving/browser.py finds FOLDER/chromium.
set -euo pipefail
folder=$(realpath -m "${1:?usage: chromium.sh FOLDER}")
command -v apt-get >/dev/null || {
    echo "no apt-get here: install Chromium as /usr/bin/chromium"
    exit 1
}
. "$(dirname "$0")/../../training/newer_debian.sh"
"${apt[@]}" update
# With what it needs and this machine lacks. The headless shell is Chromium without windows, and without their libraries.
"${apt[@]}" install --download-only --yes --no-install-recommends chromium-headless-shell fonts-dejavu-core
(cd "$work/archives" && "${apt[@]}" download chromium-common) # beside the program, even where it is installed
rm -rf "$folder"
mkdir -p "$folder"
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$folder"; done
libraries=$(find "$folder" -name '*.so*' -printf '%h\n' | sort -u | paste -s -d :)
cat >"$folder/fonts.conf" <<EOF
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>$folder/usr/share/fonts</dir>
  <cachedir>$folder/fonts-cache</cachedir>
</fontconfig>
EOF
cat >"$folder/chromium" <<EOF
#!/bin/sh
export FONTCONFIG_FILE="$folder/fonts.conf" LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$folder/usr/lib/chromium/chromium-headless-shell" "\$@"
EOF
chmod +x "$folder/chromium"
"$folder/chromium" --version
