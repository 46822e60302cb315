# shellcheck shell=bash
#
# Pythons of other versions than the environment's, for the tests of what runs on compute nodes. Sourced, never run.
#
# Those that are here: on PATH, of pyenv, and what was fetched before. Where root has Debian, an older and a newer one
# are fetched from other releases of it, as packages that are unpacked and not installed.

PYTHONS=()            # from the oldest to the newest
FETCHED=$PREFIX/pythons # root's alone
OLDEST_OF_DEBIAN=9      # of bullseye
NEWEST_OF_DEBIAN=14     # of sid

# find_pythons: set PYTHONS to one of each version that the ordinary user can run.
find_pythons() {
    local minor candidate
    PYTHONS=()
    for ((minor = 6; minor < 30; minor++)); do
        while IFS= read -r candidate; do
            if is_python "$candidate" "$minor"; then
                PYTHONS+=("$candidate")
                break
            fi
        done < <(candidates "python3.$minor")
    done
}

candidates() {
    local file
    command -v "$1" || true
    for file in "$FETCHED"/*/bin/"$1" "$FETCHED"/*/usr/bin/"$1" "$HOME"/.pyenv/versions/*/bin/"$1"; do
        [[ ! -x $file ]] || printf '%s\n' "$file"
    done
}

is_python() {
    as_user "$1" -I -S -c "import sys, ctypes, json, zipfile; sys.exit(sys.version_info[:2] != (3, $2))" 2>/dev/null
}

minor_of() { printf '%s' "${1##*python3.}"; }

# What cannot be fetched is done without: the tests then run with what there is.
fetch_pythons() {
    is_root || return 0
    step "Looking for an older and a newer Python"
    copy_pythons_of_pyenv
    find_pythons
    have apt-get || return 0
    if [[ ${#PYTHONS[@]} -eq 0 ]] || (($(minor_of "${PYTHONS[0]}") > OLDEST_OF_DEBIAN)); then
        fetch_python_of_debian bullseye "3.$OLDEST_OF_DEBIAN"
    fi
    if [[ ${#PYTHONS[@]} -eq 0 ]] || (($(minor_of "${PYTHONS[-1]}") < NEWEST_OF_DEBIAN)); then
        fetch_python_of_debian sid "3.$NEWEST_OF_DEBIAN"
    fi
    find_pythons
}

# ---------------------------------------------------------------- of pyenv

# Root's own are in a folder that nobody else can enter, and know where they are.
copy_pythons_of_pyenv() {
    local version versions
    mapfile -t versions < <(printf '%s\n' "$HOME"/.pyenv/versions/3.* | sort -V)
    for version in "${versions[0]}" "${versions[-1]}"; do
        [[ -x $version/bin/python3 && ! -e $FETCHED/${version##*/} ]] || continue
        if ! quietly copy_python_of_pyenv "$version"; then say "not copied: $version"; fi
    done
}

copy_python_of_pyenv() {
    local version=$1 target new
    scratch new
    target=$new/python
    mkdir "$target"
    tar -C "$version" --exclude=site-packages --exclude=__pycache__ --exclude='*.a' --exclude=test -cf - . | tar -C "$target" -xf -
    "$version/bin/python3" -c "$RELOCATE" "$version" "$target/bin/python3"
    chmod -R a+rX "$target"
    install -d -m 755 "$FETCHED"
    mv "$target" "$FETCHED/${version##*/}"
}

# The program finds its library by a path that is written in it.
# shellcheck disable=SC2016 # the linker expands it
RELOCATE='
import os, sys
version, program = sys.argv[1], os.path.realpath(sys.argv[2])
before, after = b"\0%s/lib\0" % os.fsencode(version), b"\0$ORIGIN/../lib"
with open(program, "rb") as file:
    data = file.read()
if data.count(before) == 1:
    with open(program + ".new", "wb") as file:
        file.write(data.replace(before, after.ljust(len(before), b"\0")))
    os.chmod(program + ".new", 0o755)
    os.replace(program + ".new", program)
'

# ---------------------------------------------------------------- of Debian's other releases

fetch_python_of_debian() {
    if quietly unpack_python_of_debian "$1" "$2"; then return; fi
    say "Python $2 of Debian's $1 cannot be fetched here"
}

# With lists and a status of its own: the machine's packages are left as they are.
unpack_python_of_debian() {
    local release=$1 version=$2 place uri apt file
    [[ ! -e $FETCHED/debian-$version ]] || return 0
    uri=$(archive_of_debian) && [[ -n $uri ]] || return 1
    scratch place
    chmod 755 "$place"
    mkdir -p "$place"/{lists/partial,cache/archives/partial,packages,python}
    : >"$place/status"
    printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$release" >"$place/sources"
    apt=(apt-get -qq -o Dir::Etc::SourceList="$place/sources" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State::Lists="$place/lists" -o Dir::State::Status="$place/status"
        -o Dir::Cache="$place/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
        -o Acquire::Retries=1 -o APT::Sandbox::User=root -o APT::Update::Post-Invoke-Success::=
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
    timeout 120 "${apt[@]}" update || return 1
    (cd "$place/packages" && timeout 120 "${apt[@]}" download "python$version-minimal" "libpython$version-minimal" \
        "libpython$version-stdlib") || return 1
    if [[ $release == sid ]]; then # newer than this machine's libraries
        (cd "$place/packages" && timeout 120 "${apt[@]}" download libc6 libssl3t64 libffi8 libexpat1 zlib1g libzstd1) ||
            return 1
    fi
    for file in "$place"/packages/*.deb; do dpkg -x "$file" "$place/python" || return 1; done
    if [[ $release == sid ]]; then wrap_python "$place/python" "$version" "$FETCHED/debian-$version" || return 1; fi
    chmod -R a+rX "$place/python"
    install -d -m 755 "$FETCHED"
    mv "$place/python" "$FETCHED/debian-$version"
}

# wrap_python TREE VERSION PLACE: let it be started by the linker, and with the libraries, that came with it.
wrap_python() {
    local program=usr/bin/python$2 linker
    linker=$(cd "$1" && find . -name 'ld-linux*.so.*' | head -n 1) && [[ -n $linker ]] || return 1
    mv "$1/$program" "$1/$program.real"
    # shellcheck disable=SC2016 # for the shell that starts it
    printf '#!/bin/sh\nexec %s --library-path %s --argv0 "$0" %s "$@"\n' \
        "$3/$linker" "$3/$(dirname "$linker")" "$3/$program.real" >"$1/$program"
    chmod 755 "$1/$program" "$1/$linker"
}

# Where this machine has its own packages from, but for security updates, which are elsewhere.
archive_of_debian() {
    # shellcheck disable=SC2016 # for apt-get
    apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u | head -n 1
}
