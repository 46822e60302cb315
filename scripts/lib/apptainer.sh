# shellcheck shell=bash
#
# Apptainer: use the one that is there, else the distribution's, else Debian's newer build. Sourced, never run.

APPTAINER_LIBRARIES=/opt/apptainer-libraries
APPTAINER_HELP=https://apptainer.org/docs/admin/main/installation.html

runtime() { command -v apptainer || command -v singularity; }

ensure_runtime() { runtime >/dev/null || install_runtime; }

install_runtime() {
    if ! is_root || ! have apt-get; then die "neither apptainer nor singularity is on PATH; see $APPTAINER_HELP"; fi
    ensure_commands mksquashfs=squashfs-tools squashfuse=squashfuse fusermount3=fuse3 fuse2fs=fuse2fs \
        fuse-overlayfs=fuse-overlayfs gocryptfs=gocryptfs patchelf=patchelf newuidmap=uidmap \
        update-ca-certificates=ca-certificates
    quietly apt-get update # without its lists apt knows neither packages nor mirrors
    if distribution_has apptainer; then
        install_packages apptainer
    elif distribution_has singularity-container; then
        install_packages singularity-container
    else
        install_from_newer_debian
    fi
}

distribution_has() { apt-cache policy "$1" | grep -Eq '^ +Candidate: [0-9]'; }

# SIF images are mounted through FUSE by the user who runs the container.
open_fuse() {
    [[ -e /dev/fuse ]] || mknod /dev/fuse c 10 229 || die "no /dev/fuse here and it cannot be made; load the fuse kernel module"
    [[ $(stat -c %a /dev/fuse) == 666 ]] || chmod 666 /dev/fuse
}

# Debian 12 has no Apptainer. Debian's unstable suite has, built against a newer libc: take both, and point
# Apptainer's two dynamic programs at libraries in a folder of their own. The system's libc stays as it is.
install_from_newer_debian() {
    step "Installing Apptainer from Debian's unstable suite, with libraries of its own"
    local work=
    scratch work
    private_apt "$work" sid apptainer
    private_apt "$work" trixie libc6 libseccomp2 libsqlite3-0 libsubid5
    quietly dpkg -x "$work"/apptainer_*.deb "$work/apptainer"
    rm "$work"/apptainer_*.deb
    local deb
    for deb in "$work"/*.deb; do quietly dpkg -x "$deb" "$work/libraries"; done
    put_libraries "$work/libraries"
    use_libraries "$work/apptainer"
    cp -a "$work/apptainer/." /
    quietly apptainer --version
}

# private_apt FOLDER SUITE PACKAGE...: download packages of another suite; the machine's own apt never hears of it.
private_apt() {
    local work=$1 suite=$2 apt=$1/apt-$2 mirror
    shift 2
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    mirror=$(debian_mirror)
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$apt/sources"
    local options=(-o "Dir::State=$apt/state" -o "Dir::Cache=$apt/cache" -o Dir::State::status=/dev/null
        -o "Dir::Etc::sourcelist=$apt/sources" -o Dir::Etc::sourceparts=/dev/null
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    quietly apt-get "${options[@]}" update ||
        die "$mirror, where this machine's packages come from, has no suite $suite; install Apptainer another way: $APPTAINER_HELP"
    (cd "$work" && quietly apt-get "${options[@]}" download "$@")
}

# The mirror this machine already takes its own release from.
debian_mirror() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
        awk -v codename="$codename" '$1 == codename { print $2; found = 1; exit } END { exit !found }' ||
        die "this is not Debian, and the distribution has no Apptainer; see $APPTAINER_HELP"
}

put_libraries() {
    mkdir -p "$APPTAINER_LIBRARIES"
    cp -P "$1"/usr/lib/*-linux-gnu*/*.so* "$APPTAINER_LIBRARIES"
}

use_libraries() {
    local loader program
    loader=$(find "$APPTAINER_LIBRARIES" -name 'ld-linux*.so*' -type f -print -quit)
    while read -r program; do
        quietly patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$APPTAINER_LIBRARIES" "$program"
    done < <(find "$1/usr/bin/apptainer" "$1"/usr/lib/*/apptainer/bin/starter -type f)
}

# A real container, as the user who will run them: the only check that counts.
check_runtime() {
    local image=$1 said
    step "Running a container as $RUN_USER"
    if is_root; then open_fuse; fi
    said=$(as_user "$(runtime)" exec --containall "$image" echo hello 2>>"$LOG") || true
    [[ $said == hello ]] || die "$(runtime) cannot run a container as $RUN_USER: user namespaces (sysctl user.max_user_namespaces) and /dev/fuse are needed; see $LOG"
}
