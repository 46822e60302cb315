# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Apptainer and Singularity: the only file that knows their command line. Each function leaves a call in sidecar_call.
# Source: https://apptainer.org/docs/user/latest/cli.html

sidecar_runtime_has_gate=yes # see sidecar_prepare_gate
sidecar_joinable=(--userns)  # options of a container whose namespaces this job can join

# sidecar_runtime_pull IMAGE FILE CACHE LOGIN: fetch the image into one file, with the login in a file, or none. In a
# cache of its own, the runtime downloads it again only if the registry's digest is another.
sidecar_runtime_pull() {
    local login=()
    [[ -z $4 ]] || login=(--authfile "$4")
    sidecar_call=(env APPTAINER_CACHEDIR="$3" SINGULARITY_CACHEDIR="$3"
        "$sidecar_program" pull "${login[@]}" --force "$2" "$1")
}

# sidecar_runtime_settle CACHE FILE: after a pull, layers are of no more use, nor is any image in the cache but the
# newest; let that one and FILE share their room.
sidecar_runtime_settle() {
    local entry newest=
    rm -rf "$1/cache/blob"
    for entry in "$1"/cache/*/*; do
        [[ -f $entry ]] || continue
        if [[ -n $newest && $newest -nt $entry ]]; then
            rm -f "$entry"
        else
            [[ -z $newest ]] || rm -f "$newest"
            newest=$entry
        fi
    done
    if [[ -z $newest ]] || ! cmp -s "$newest" "$2" || ! ln -f "$newest" "$2"; then return 0; fi
} 2>/dev/null

# sidecar_runtime_start WORK: start sidecar_image as a container, with a directory of the node for its /tmp and home:
# the runtime's own are 64 MiB of memory. Without a command, the image decides.
sidecar_runtime_start() {
    local verb=run options=()
    options+=(--workdir "$1")
    [[ -z $sidecar_home ]] || options+=(--no-home --home "$sidecar_home")
    [[ -z $sidecar_hostname ]] || options+=(--hostname "$sidecar_hostname")
    [[ -z $sidecar_overlay ]] || options+=(--overlay "$sidecar_overlay")
    sidecar_image_working_dir
    [[ -z $sidecar_working_dir ]] || options+=(--pwd "$sidecar_working_dir")
    [[ ${#sidecar_command[@]} -eq 0 ]] || verb="exec"
    sidecar_call=("$sidecar_program" --quiet "$verb" "${options[@]}" "${sidecar_options[@]}" "${sidecar_binds[@]}"
        "$sidecar_image" "${sidecar_command[@]}" "${sidecar_arguments[@]}")
}

# The runtime passes over an image's WORKDIR, but keeps the image's configuration beside its file system, where it comes
# from a registry. Leave in sidecar_working_dir where the container starts; nothing: where the runtime wants to.
sidecar_image_working_dir() {
    local kept=$sidecar_private/${sidecar_image_keys[0]}.workdir
    [[ -z $sidecar_working_dir && -f $sidecar_image ]] || return 0
    if [[ ! -e $kept ]]; then
        sidecar_find_working_dir >"$kept.$BASHPID" 2>/dev/null
        mv -f "$kept.$BASHPID" "$kept" # another container of the same image may be looking, too
    fi
    sidecar_working_dir=$(<"$kept")
}

sidecar_find_working_dir() {
    local id type config
    while IFS='|' read -r id _ _ _ type; do
        [[ $type == JSON.Generic* ]] || continue
        sidecar_call=("$sidecar_program" sif dump "${id// /}" "$sidecar_image")
        config=$(sidecar_execute_pull)
        # The other one is what the runtime itself knows about the image.
        [[ $config == '{"data":'* ]] || sidecar_working_dir_in "$config"
    done < <(sidecar_call=("$sidecar_program" sif list "$sidecar_image") && sidecar_execute_pull)
}

# sidecar_working_dir_in JSON: in a text, quotes are behind backslashes, so that only a key can look like this.
sidecar_working_dir_in() {
    local pattern='"WorkingDir":"(([^"\\]|\\.)+)"'
    if [[ $1 =~ $pattern ]]; then printf '%b' "${BASH_REMATCH[1]}"; else echo /; fi
}

# An environment variable of the container.
sidecar_env() { export "APPTAINERENV_$1=$2" "SINGULARITYENV_$1=$2"; }

# sidecar_bind SOURCE DESTINATION ro|rw: add to sidecar_binds. The runtime reads the option as CSV.
sidecar_bind() {
    if [[ $1 == /dev/* && $2 == /dev/* && $1 != "$2" ]]; then
        # The runtime would take it for a device and pass it over; by another name, it does not see what it is.
        ln -sfn "$1" "$sidecar_work.bind.${#sidecar_binds[@]}" || return
        set -- "$sidecar_work.bind.${#sidecar_binds[@]}" "${@:2}"
    fi
    local source="\"source=${1//\"/\"\"}\"" destination="\"destination=${2//\"/\"\"}\""
    [[ $3 == rw ]] || destination+=,ro
    sidecar_binds+=(--mount "type=bind,$source,$destination")
}
