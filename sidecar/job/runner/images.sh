# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Images: files are used as they are; anything else is fetched first, so that a failed pull is told from a failed command.
#
# The cache is for all jobs of a user. sidecar/job/images.py names its files and says what they are for.

# sidecar_fetch NAME ATTEMPT: leave in sidecar_image what the runtime can start, or give up; the pull log says why.
sidecar_fetch() {
    local tries=0 delay=$sidecar_backoff_first which="\"container\":\"$1\",\"attempt\":$2" code
    while :; do
        sidecar_try_image "$1" "$2" >"$sidecar_directory/logs/$1.pull.log" 2>&1
        code=$?
        [[ $code -ne 0 ]] || return 0
        tries=$((tries + 1))
        if sidecar_must_end || sidecar_gives_up "$code" "$tries"; then return 1; fi
        sidecar_report image_backoff "$which,\"tries\":$tries,\"delay\":$delay"
        sidecar_pause "$delay"
        ! sidecar_must_end || return 1
        delay=$((delay * 2 < sidecar_backoff_most ? delay * 2 : sidecar_backoff_most))
    done
}

# sidecar_gives_up CODE TRIES: a kubelet never does, but here the time until then is paid for. A pod that shall always
# run is the exception: its controller would replace it at once by the next that fails.
sidecar_gives_up() {
    [[ $sidecar_restart_policy != Always ]] || return
    [[ $1 -ne $sidecar_try_later || $2 -gt 5 ]]
}
sidecar_try_later=75 # EX_TEMPFAIL of sysexits.h

# sidecar_try_image NAME ATTEMPT
sidecar_try_image() {
    case $sidecar_image in
    *://* | docker-archive:* | docker-daemon:* | oci:* | oci-archive:*) ;;
    *)
        [[ ! -e $sidecar_image ]] || return 0
        echo "ERROR: there is no image file $sidecar_image on node $sidecar_node"
        return 1
        ;;
    esac
    sidecar_find_cache
    if [[ $sidecar_pull_policy != Always ]] && sidecar_use_image "$1"; then return; fi
    if [[ $sidecar_pull_policy == Never ]]; then
        echo "ERROR: $sidecar_image was never fetched here, and imagePullPolicy is Never"
        return 1
    fi
    sidecar_report image_pulling "\"container\":\"$1\",\"attempt\":$2"
    sidecar_spawn sidecar_pull "$1"
    sidecar_child=$sidecar_pid sidecar_child_pulls=yes
    sidecar_await "$sidecar_pipe"
    local code=$?
    sidecar_child='' sidecar_child_pulls=
    [[ $code -eq 0 ]] || return "$code"
    sidecar_use_image "$1"
}

# Beside the pods' directories, a folder for each user, as an image that somebody else has put there cannot be trusted;
# where the node cannot write there, for this job alone.
sidecar_find_cache() {
    sidecar_cache=$sidecar_data_root/.images/$EUID
    [[ ! -d $sidecar_data_root ]] || mkdir -p "$sidecar_cache" 2>/dev/null
    [[ -O $sidecar_cache && -w $sidecar_cache ]] || sidecar_cache=$sidecar_private/images
    mkdir -p "$sidecar_cache"
}

# sidecar_use_image NAME: leave in sidecar_image a name of the image that stays while the job lives, whoever removes or
# replaces the image meanwhile.
sidecar_use_image() {
    local key image link
    for key in "${sidecar_image_keys[@]}"; do
        image=$sidecar_cache/$key.sif link=$sidecar_cache/$key.used.$sidecar_job.$1
        [[ -s $image && -O $image ]] || continue
        if ! ln -f "$image" "$link" 2>/dev/null; then
            : >"$link" # a file system without hard links; the mark still keeps "image prune" away
            [[ -s $image ]] || continue
            link=$image
        fi
        touch "$sidecar_cache/$key.lock"
        sidecar_image=$link
        return
    done
    return 1
}

# sidecar_pull NAME: have the image in the cache, by one pull for all who ask at the same time. Whose pull began after
# we asked did it for us, well or not. Times are those of the cache's file system, the same for all nodes.
sidecar_pull() {
    local key=${sidecar_image_keys[0]} base part
    base=$sidecar_cache/$key
    part=$base.part.$sidecar_job.$1
    rm -rf "$part"
    mkdir "$part" && : >"$part/asked" || return
    exec 9>>"$base.lock" && flock 9
    if [[ -s $base.sif && -O $base.sif ]] && [[ $sidecar_pull_policy == IfNotPresent || $base.txt -nt $part/asked ]]; then
        rm -rf "$part"
        return 0
    fi
    if [[ $base.failed -nt $part/asked ]]; then
        cat "$base.failed"
        rm -rf "$part"
    else
        sidecar_pull_now "$base" "$part" 9>&- && return
    fi
    if sidecar_is_transient "$base.failed"; then return "$sidecar_try_later"; fi
    return 1
}

# sidecar_pull_now BASE PART: renames keep half files out of sight. What stays behind is as old as the pull's beginning.
sidecar_pull_now() {
    local result=failed
    : >"$2/began"
    sidecar_runtime_pull "$sidecar_image" "$2/image" "$1.cache" "$sidecar_image_login"
    if (sidecar_execute_pull) 2>&1 | tee "$2/log" && [[ ${PIPESTATUS[0]} -eq 0 ]]; then
        sidecar_runtime_settle "$1.cache" "$2/image"
        printf 'image=%s\nnamespace=%s\nfetched=%(%s)T\n' "$sidecar_image" "$sidecar_image_namespace" -1 >"$2/log" &&
            { [[ $2/image -ef $1.sif ]] || mv -f "$2/image" "$1.sif"; } && result=txt
    fi
    touch -r "$2/began" "$2/log"
    rm -f "$1.failed"
    mv -f "$2/log" "$1.$result"
    rm -rf "$2"
    [[ $result == txt ]]
}

# sidecar_is_transient LOG: whether the registry may well answer otherwise a moment later.
sidecar_is_transient() {
    grep -Eiq 'time(d )?out|deadline exceeded|connection (refused|reset)|no route to host|network is unreachable' "$1" ||
        grep -Eiq 'temporary failure|server misbehaving|TLS handshake|unexpected EOF|too ?many ?requests' "$1" ||
        grep -Eiq '(status(code)?( code)?:?|did not succeed:) *(429|5[0-9][0-9])' "$1"
}
