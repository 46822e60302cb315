# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Images: files are used as they are; anything else is fetched first, so that a failed pull is told from a failed command.

# sidecar_fetch NAME ATTEMPT: leave in sidecar_image what the runtime can start, or say in the pull log why not.
sidecar_fetch() {
    local pull_log=$sidecar_directory/logs/$1.pull.log
    case $sidecar_image in
    *://* | docker-archive:* | docker-daemon:* | oci:* | oci-archive:*)
        sidecar_find_cache
        sidecar_pull "$1" "$2" "$sidecar_cache/$sidecar_image_key.sif" >"$pull_log" 2>&1 || return
        sidecar_image=$sidecar_cache/$sidecar_image_key.sif
        ;;
    *)
        [[ ! -e $sidecar_image ]] || return 0
        echo "ERROR: there is no image file $sidecar_image on node $sidecar_node" >"$pull_log"
        return 1
        ;;
    esac
}

# Beside the pods' directories, for all jobs; where the node cannot write there, for this job alone.
sidecar_find_cache() {
    sidecar_cache=$sidecar_data_root/.images
    [[ ! -d $sidecar_cache/$UID ]] || sidecar_cache+=/$UID # each user's own, where root has made them
    [[ ! -d $sidecar_data_root ]] || mkdir -p "$sidecar_cache" 2>/dev/null
    [[ -d $sidecar_cache && -w $sidecar_cache ]] || sidecar_cache=$sidecar_private/images
    mkdir -p "$sidecar_cache"
}

# An image that another user has put there is not trusted.
sidecar_have_image() { [[ -s $1 && -O $1 ]]; }

# sidecar_pull NAME ATTEMPT FILE
sidecar_pull() {
    if [[ $sidecar_pull_policy != Always ]] && sidecar_have_image "$3"; then return; fi
    if [[ $sidecar_pull_policy == Never ]]; then
        echo "ERROR: $sidecar_image was never fetched here, and imagePullPolicy is Never"
        return 1
    fi
    sidecar_report image_pulling "\"container\":\"$1\",\"attempt\":$2"
    sidecar_spawn sidecar_pull_locked "$3" "$3.part.$sidecar_job.$1"
    sidecar_child=$sidecar_pid sidecar_child_pulls=yes
    sidecar_await "$sidecar_pipe"
    local code=$?
    sidecar_child='' sidecar_child_pulls=
    return "$code"
}

# sidecar_pull_locked FILE PART: the lock only spares a second download; the rename keeps half files out of sight.
sidecar_pull_locked() {
    exec 9>"$1.lock" && flock 9
    if [[ $sidecar_pull_policy == IfNotPresent ]] && sidecar_have_image "$1"; then return; fi
    rm -f "$2"
    sidecar_runtime_pull "$sidecar_image" "$2"
    if ! (sidecar_execute_pull) 9>&-; then
        rm -f "$2"
        return 1
    fi
    mv -f "$2" "$1"
}
