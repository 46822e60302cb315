# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Enroot: in the place of apptainer.sh where the site runs it, with the same functions; the only file that knows its
# command line. Images are squashfs files; a container is one unpacked into the job's private directory.
# Source: https://github.com/NVIDIA/enroot/tree/main/doc

sidecar_runtime_has_gate=no # its containers begin at once

# All that Enroot keeps is this job's alone and goes with it; a login shell would change the container's environment.
sidecar_enroot_paths() {
    export ENROOT_RUNTIME_PATH=$sidecar_private/enroot/run ENROOT_DATA_PATH=$sidecar_private/enroot/data
    export ENROOT_CACHE_PATH=$sidecar_private/enroot/cache ENROOT_TEMP_PATH=$sidecar_private/enroot/tmp
    export ENROOT_LOGIN_SHELL=no
    mkdir -p "$ENROOT_TEMP_PATH"
}

# sidecar_runtime_pull IMAGE FILE CACHE: fetch the image into one file, its layers into a cache. Enroot separates the
# registry by #. Logins are those that Enroot finds by itself.
sidecar_runtime_pull() {
    local image=$1 registry=${1#docker://}
    registry=${registry%%/*}
    sidecar_enroot_paths
    if [[ $image == "docker://$registry/"* && $image != *[#@]* && $registry =~ [.:] ]]; then
        image=docker://$registry#${image#"docker://$registry/"}
    fi
    sidecar_call=(env ENROOT_CACHE_PATH="$3" "$sidecar_program" import --output "$2" "${image/#"docker://docker.io#"/docker://}")
}

# sidecar_runtime_settle CACHE FILE: after a pull, layers are of no more use.
sidecar_runtime_settle() { rm -rf "$1"; }

# sidecar_runtime_start WORK: unpack sidecar_image and start it, with a folder of the node as its /tmp. An image's
# own start script is kept only where the pod has no command.
sidecar_runtime_start() {
    local name=${1##*/} said word options=()
    sidecar_enroot_paths
    rm -rf "$ENROOT_DATA_PATH/${name%.*}".* # of attempts before
    sidecar_call=("$sidecar_program" create --name "$name" "$sidecar_image")
    if ! said=$(sidecar_execute_pull </dev/null 2>&1); then
        printf '%s\n' "$said" >&8
        return 128
    fi
    mkdir -m 1777 "$1/tmp" && sidecar_bind "$1/tmp" /tmp rw || return
    sidecar_enroot_write "$1" "$ENROOT_DATA_PATH/$name/etc/rc" || return
    for word in "${sidecar_options[@]}"; do
        case $word in
        --bind=*) options+=(--mount "${word#--bind=}") ;;
        --rw | -w) [[ $sidecar_writable != yes ]] || options+=(--rw) ;;
        *) options+=("$word") ;;
        esac
    done
    [[ ! -e $1.rc ]] || options+=(--rc "$1.rc")
    sidecar_call=("$sidecar_program" start "${options[@]}" --conf "$1.conf" "$name" "${sidecar_command[@]}" "${sidecar_arguments[@]}")
}

# sidecar_enroot_write WORK RC: environment, mounts and start script go by files: arguments can be seen by everybody.
sidecar_enroot_write() (
    umask 077
    printf '%s\n' "HOME=${sidecar_home:-$HOME}" "${sidecar_enroot_environment[@]}" >"$1.environment" &&
        printf '%s\n' "${sidecar_binds[@]}" >"$1.fstab" &&
        printf '%s() { cat %q; }\n' environ "$1.environment" mounts "$1.fstab" >"$1.conf" || return
    if [[ ${#sidecar_command[@]} -gt 0 || ! -s $2 ]]; then
        sidecar_enroot_script "${sidecar_working_dir:-$(sidecar_enroot_working_dir "$2")}" >"$1.rc"
    elif [[ -n $sidecar_working_dir ]]; then
        sidecar_enroot_moved <"$2" >"$1.rc"
    fi
)

# sidecar_enroot_script FOLDER: the start script of a container that has a command, read by the image's own shell.
sidecar_enroot_script() {
    printf 'cd %s || exit 128\n' "$(sidecar_enroot_quote "$1")"
    # shellcheck disable=SC2016 # that shell's arguments
    echo 'if [ "$#" -eq 0 ]; then set -- /bin/sh; fi; exec "$@"'
}

sidecar_enroot_quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# Enroot writes an image's WORKDIR into its start script, as: cd "/folder" && unset OLDPWD || exit 1
sidecar_enroot_working_dir() {
    local line
    [[ -f $1 ]] || { echo / && return; }
    while IFS= read -r line; do
        [[ $line != 'cd "'*'" && unset OLDPWD'* ]] || { line=${line#'cd "'} && echo "${line%'" && unset OLDPWD'*}" && return; }
    done <"$1"
    echo /
}

# The image's script, but in the pod's working directory.
sidecar_enroot_moved() {
    local line
    while IFS= read -r line; do
        [[ $line != 'cd "'*'" && unset OLDPWD'* ]] || line="cd $(sidecar_enroot_quote "$sidecar_working_dir") || exit 128"
        printf '%s\n' "$line"
    done
}

# An environment variable of the container. Enroot takes quotes away from around a value, twice.
sidecar_env() {
    local value=$2
    [[ ! $value =~ ^[\"\'].*[\"\'][[:space:]]*$ ]] || value="\"\"$value\"\""
    sidecar_enroot_environment+=("$1=$value")
}
sidecar_enroot_environment=()

# sidecar_bind SOURCE DESTINATION ro|rw: add to sidecar_binds, a line of Enroot's fstab each.
sidecar_bind() { sidecar_binds+=("$(sidecar_enroot_field "$1") $(sidecar_enroot_field "$2") none x-create=auto,rbind,$3"); }

# Source of the escapes: https://man7.org/linux/man-pages/man5/fstab.5.html
sidecar_enroot_field() {
    local text=${1//\\/\\134}
    text=${text// /\\040}
    text=${text//$'\t'/\\011}
    text=${text//$'\n'/\\012}
    printf '%s' "${text//#/\\043}"
}

# An unpacked image is the container's own: nothing has to be put over it.
sidecar_start_writable() { sidecar_start_runtime "$1"; }
