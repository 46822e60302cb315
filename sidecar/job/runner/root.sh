# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# A container's root: writable where it may be, as under a kubelet.

# sidecar_start_writable WORK: with a layer of its own over the image, where the container may write and this node can
# do that; fresh for each attempt, as under a kubelet.
sidecar_start_writable() {
    local code
    sidecar_overlay=
    if [[ $sidecar_writable == yes ]]; then
        sidecar_overlay=$1.root
        mkdir "$sidecar_overlay" || return 128
        sidecar_start_runtime "$1"
        code=$?
        # This folder is made by the mount itself: without it, nothing has run.
        [[ $code -eq 255 && ! -e $sidecar_overlay/work/work && -z $sidecar_stopping ]] || return "$code"
        echo "slurm-sidecar: node $sidecar_node cannot make the image writable; it is started read-only" >&8
        sidecar_overlay=
    fi
    sidecar_start_runtime "$1"
}
