#!/usr/bin/env bash
# The 53 photographs the demo networks are trained on, from Debian's packages, as links in one folder.
#
#     training/fetch_photos.sh FOLDER
#
# Needs apt and dpkg, no root. Drawings and renderings are left out, and so are two photographs that are kept for looking
# at results (Kleiber, Bridge).
set -euo pipefail
folder=$(realpath -m "${1:?usage: fetch_photos.sh FOLDER}")
command -v apt-get >/dev/null || {
    echo "no apt-get here: name folders with images of your own in a copy of training/demo.yaml instead"
    exit 1
}
packages=(mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 budgie-backgrounds
    plasma-workspace-wallpapers)
here=$(realpath "$(dirname "$0")")
mkdir -p "$folder"/{packages,train}
cd "$folder"
missing=()
for package in "${packages[@]}"; do [[ -d packages/$package ]] || missing+=("$package"); done
if ((${#missing[@]})); then
    # budgie-backgrounds is in the newer release only.
    . "$here/newer_debian.sh"
    "${apt[@]}" update
    for package in "${missing[@]}"; do
        (cd "$work/archives" && "${apt[@]}" download "$package")
        dpkg -x "$work"/archives/"$package"_*.deb "$work/unpacked"
        mv "$work/unpacked" "packages/$package"
    done
fi
shared=packages/*/usr/share
for photo in $shared/backgrounds/*.jpg $shared/backgrounds/mate/nature/*.jpg $shared/backgrounds/budgie/*.jpg; do
    case $photo in
    *Kleiber* | *Bridge* | *Painting-Colors* | *abstract* | *midnight* | *saturn*) ;;
    *) ln -sf "../$photo" train/ ;;
    esac
done
plasma=packages/plasma-workspace-wallpapers/usr/share/wallpapers
for name in BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut Path summer_1am; do
    ln -sf "../$plasma/$name/contents/images/2560x1600.jpg" "train/$name.jpg"
done
found=$(find -L train -type f | wc -l)
[[ $found == 53 ]] || {
    echo "$folder/train holds $found photographs, expected 53: this Debian's packages have changed"
    exit 1
}
echo "$folder/train: $found photographs"
