# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Volumes: from what the pod asks for to --mount options. Links are resolved here, on the node that follows them.

# sidecar_mount KIND VOLUME SUB_PATH DESTINATION MODE [TYPE]: a call of sidecar_bind; failures are told on stderr.
# KIND is files, disk, memory, claim or host; VOLUME its name (its path for claim and host); MODE ro or rw; TYPE a
# hostPath type.
sidecar_mount() {
    local source
    case $1 in
    files) source=$sidecar_files/volumes/$2 ;;
    disk) source=$sidecar_directory/emptydirs/$2 ;;
    memory) source=$sidecar_memory/$2 ;;
    claim)
        source=$(realpath -m -- "$2")
        [[ -d $source ]] || sidecar_refuse "$2: the claim's folder is not there on node $sidecar_node" || return
        ;;
    host)
        sidecar_host_path "$2" "$6" || return
        source=$(realpath -m -- "$2")
        ;;
    esac
    if [[ -n $3 ]]; then sidecar_sub_path "$1" "$source" "$3" || return; else sidecar_source=$source; fi
    case $1 in
    claim) sidecar_is_not_ours "$sidecar_source" || return ;;
    host) sidecar_may_mount "$sidecar_source" || return ;;
    esac
    sidecar_make_mount_point "$4" "$sidecar_source" || return
    [[ $1 == claim || $1 == host ]] || sidecar_mounted[$4]=$sidecar_source
    sidecar_bind "$sidecar_source" "$4" "$5"
}

# sidecar_make_mount_point DESTINATION SOURCE: inside one of the pod's own volumes that is mounted already, also a
# read-only one, as a kubelet does; everywhere else the runtime sees to it. A working directory there is made as well.
# Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/nested_volumes.go
sidecar_make_mount_point() {
    local outer inner=
    for outer in "${!sidecar_mounted[@]}"; do
        [[ $1 != "${outer%/}"/* || ${#outer} -lt ${#inner} ]] || inner=$outer
    done
    [[ -n $inner ]] || return 0
    outer=$(realpath -m -- "${sidecar_mounted[$inner]}")
    inner=$(realpath -m -- "$outer/${1#"${inner%/}"/}")
    [[ ! -e $inner ]] || return 0
    sidecar_is_below "$inner" "$outer" || sidecar_refuse "over $1: it leads out of the volume around it" || return
    if [[ -d $2 ]]; then
        (umask 022 && mkdir -p -- "$inner")
    else
        (umask 022 && mkdir -p -- "${inner%/*}" && : >"$inner")
    fi || sidecar_refuse "over $1: there is no such place in the volume around it"
}
declare -A sidecar_mounted=() # of one container: where its volumes are, by their places in it

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

# sidecar_is_not_ours PATH: no pod may see the sidecar's own files, for a path without links.
sidecar_is_not_ours() {
    local prefix real
    for prefix in "${sidecar_protected_paths[@]}"; do
        real=$(realpath -m -- "$prefix")
        if sidecar_is_below "$1" "$real" || sidecar_is_below "$real" "$1"; then
            sidecar_refuse "$1: it holds the sidecar's own files"
            return
        fi
    done
}

# sidecar_may_mount PATH: the site's rules for paths of the node, for a path without links.
sidecar_may_mount() {
    local prefix
    sidecar_is_not_ours "$1" || return
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
