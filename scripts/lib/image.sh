# shellcheck shell=bash
#
# A small image for trials and tests, built from busybox without any registry. Sourced, never run.

if is_root; then IMAGES=$PREFIX/images; else IMAGES=${XDG_DATA_HOME:-$HOME/.local/share}/slurm-sidecar/images; fi
BUSYBOX_IMAGE=$IMAGES/busybox.sif

# The second name lets manifests written for a registry run from this folder: ImagePrefix makes the difference.
ensure_image() {
    if [[ ! -s $BUSYBOX_IMAGE ]]; then build_busybox_image "$BUSYBOX_IMAGE"; fi
    [[ -e $IMAGES/busybox:stable ]] || ln -s busybox.sif "$IMAGES/busybox:stable"
}

build_busybox_image() {
    local image=$1 work=
    step "Building the busybox image"
    mkdir -p "$(dirname "$image")"
    scratch work
    chmod 755 "$work"
    local busybox
    busybox=$(static_busybox "$work") || die "no static busybox to be had: apt-get install busybox-static"
    lay_out_root "$work/root" "$busybox"
    write_definition "$work/root" >"$work/busybox.def"
    # Built beside its place and moved there: a half-written image never looks like a finished one.
    quietly env TMPDIR="$work" "$(runtime)" build --force "$work/busybox.sif" "$work/busybox.def"
    install -m 644 "$work/busybox.sif" "$image.new"
    mv "$image.new" "$image"
}

# Downloaded and unpacked, not installed: Debian's busybox-static would push the busybox package out.
static_busybox() {
    local work=$1
    if have busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; then
        command -v busybox
        return
    fi
    mkdir "$work/deb"
    if is_root; then chmod 777 "$work/deb"; fi # apt drops root for the download
    (cd "$work/deb" && { quietly apt-get download busybox-static || { quietly apt-get update && quietly apt-get download busybox-static; }; })
    quietly dpkg -x "$work"/deb/busybox-static_*.deb "$work/busybox"
    find "$work/busybox" -name busybox -type f -perm -u+x -print -quit
}

lay_out_root() {
    local root=$1 busybox=$2 applet
    mkdir -p "$root"/{bin,sbin,dev,etc,home,proc,root,run,sys,usr/bin,usr/sbin,var/tmp,tmp}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    install -m 755 "$busybox" "$root/bin/busybox"
    while read -r applet; do
        [[ -e $root/$applet ]] || ln -s /bin/busybox "$root/$applet"
    done < <("$busybox" --list-full)
    # Debian's busybox puts env only under /usr/bin; images from a registry have it in /bin too.
    [[ -e $root/bin/env ]] || ln -s /bin/busybox "$root/bin/env"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/localtime"
}

# The run script does what Docker's busybox does: the arguments are the command, and without any it is sh.
write_definition() {
    cat <<END
Bootstrap: localimage
From: $1

%runscript
    if [ "\$#" -eq 0 ]; then set -- sh; fi
    exec "\$@"
END
}
