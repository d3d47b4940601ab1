# To be sourced by bash scripts that unpack Debian packages: an apt that also knows the newer release, from the mirrors
# that this machine has. No root, and nothing on the machine changes. It takes a package from this machine's release if
# that has it, else from the newer one.
#
# Sets `apt`, the command (an array), `codename` and `newer`, the two releases, and `work`, a folder that is removed when
# the script ends; packages that `"${apt[@]}" install --download-only` fetches lie in "$work/archives".
newer=trixie
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,archives/partial}
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
