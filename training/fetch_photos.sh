#!/bin/sh
# The photographs the demo networks are trained on, from Debian's packages, as links in one folder (needs apt, dpkg).
#
#     training/fetch_photos.sh FOLDER
#
# Drawings and renderings are left out, and so are the photographs that evaluation holds out (Kleiber, Bridge).
set -eu
mkdir -p "$1/packages" "$1/train"
cd "$1"
for package in mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 budgie-backgrounds \
    plasma-workspace-wallpapers; do
    if [ ! -d "packages/$package" ]; then
        (cd packages && apt-get download "$package" && dpkg -x "$package"_*.deb "$package" && rm "$package"_*.deb)
    fi
done
shared=packages/*/usr/share
plasma="packages/plasma-workspace-wallpapers/usr/share/wallpapers"
for photo in $shared/backgrounds/*.jpg $shared/backgrounds/mate/nature/*.jpg $shared/backgrounds/budgie/*.jpg; do
    case $photo in
    *Kleiber* | *Bridge* | *Painting-Colors* | *abstract* | *midnight* | *saturn*) ;;
    *) ln -sf "../$photo" train/ ;;
    esac
done
for name in BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut Path summer_1am; do
    ln -sf "../$plasma/$name/contents/images/2560x1600.jpg" "train/$name.jpg"
done
