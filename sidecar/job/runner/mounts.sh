# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Volumes: from what the pod asks for to --mount options. Links are resolved here, on the node that follows them.

# sidecar_mount KIND VOLUME SUB_PATH DESTINATION MODE [TYPE]: a call of sidecar_bind; failures are told on stderr.
# KIND is files, disk, memory or host; VOLUME its name (its path for host); MODE ro or rw; TYPE a hostPath type.
sidecar_mount() {
    local source
    case $1 in
    files) source=$sidecar_files/volumes/$2 ;;
    disk) source=$sidecar_directory/emptydirs/$2 ;;
    memory) source=$sidecar_memory/$2 ;;
    host)
        sidecar_host_path "$2" "$6" || return
        source=$(realpath -m -- "$2")
        ;;
    esac
    if [[ -n $3 ]]; then sidecar_sub_path "$1" "$source" "$3" || return; else sidecar_source=$source; fi
    if [[ $1 == host ]]; then sidecar_may_mount "$sidecar_source" || return; fi
    sidecar_bind "$sidecar_source" "$4" "$5"
}

sidecar_refuse() {
    echo "slurm-sidecar: cannot mount $1"
    return 1
} >&2

sidecar_is_below() { [[ $1 == "$2" || $1 == "${2%/}"/* ]]; }

# sidecar_sub_path KIND BASE SUB_PATH: leave in sidecar_source the place inside the volume; links may not lead out of it.
# As a kubelet does, make it if it is not there (except in a volume that has exactly its files).
sidecar_sub_path() {
    sidecar_source=$(realpath -m -- "$2/$3")
    sidecar_is_below "$sidecar_source" "$(realpath -m -- "$2")" || sidecar_refuse "subPath $3: it leads out of its volume" || return
    [[ ! -e $sidecar_source ]] || return 0
    [[ $1 != files ]] || sidecar_refuse "subPath $3: the volume has no such file" || return
    (umask 022 && mkdir -p -- "$sidecar_source") || sidecar_refuse "subPath $3: it cannot be made"
}

# sidecar_host_path PATH TYPE: check, and make where the type says so.
# Source of the types: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types
sidecar_host_path() {
    local path
    path=$(realpath -m -- "$1")
    sidecar_may_mount "$path" || return
    case $2 in
    DirectoryOrCreate) [[ -e $path ]] || (umask 022 && mkdir -p -- "$path") ;;
    FileOrCreate) [[ -e $path ]] || (umask 022 && : >"$path") ;;
    esac
    case $2 in
    Directory | DirectoryOrCreate) [[ -d $path ]] ;;
    File | FileOrCreate) [[ -f $path ]] ;;
    Socket) [[ -S $path ]] ;;
    CharDevice) [[ -c $path ]] ;;
    BlockDevice) [[ -b $path ]] ;;
    *) [[ -e $path ]] ;;
    esac || sidecar_refuse "hostPath $1: it is not there on node $sidecar_node${2:+, or not of type $2}"
}

# sidecar_may_mount PATH: the site's rules, for a path without links.
sidecar_may_mount() {
    local prefix real
    for prefix in "${sidecar_protected_paths[@]}"; do
        real=$(realpath -m -- "$prefix")
        if sidecar_is_below "$1" "$real" || sidecar_is_below "$real" "$1"; then
            sidecar_refuse "hostPath $1: it holds the sidecar's own files"
            return
        fi
    done
    [[ ${#sidecar_allowed_paths[@]} -gt 0 ]] || return 0
    for prefix in "${sidecar_allowed_paths[@]}"; do
        if sidecar_is_below "$1" "$(realpath -m -- "$prefix")"; then return 0; fi
    done
    sidecar_refuse "hostPath $1: the site allows only ${sidecar_allowed_paths[*]}"
}

# The pod's emptyDirs, shared by its containers and kept over their restarts.
sidecar_make_empty_dirs() {
    local name
    mkdir -p "$sidecar_directory/emptydirs" || return
    for name in "${sidecar_disk_volumes[@]}"; do
        (umask 0 && mkdir -p "$sidecar_directory/emptydirs/$name") || return
    done
    [[ ${#sidecar_memory_volumes[@]} -gt 0 ]] || return 0
    sidecar_memory=$(mktemp -d /dev/shm/slurm-sidecar.XXXXXXXX) || return
    for name in "${sidecar_memory_volumes[@]}"; do
        (umask 0 && mkdir "$sidecar_memory/$name") || return
    done
}
