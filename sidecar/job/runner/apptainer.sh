# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Apptainer and Singularity: the only file that knows their command line. Each function leaves a call in sidecar_call.
# Source: https://apptainer.org/docs/user/latest/cli.html

# sidecar_runtime_pull IMAGE FILE: fetch the image into one file.
sidecar_runtime_pull() { sidecar_call=("$sidecar_program" pull --force "$2" "$1"); }

# sidecar_runtime_start WORK: start sidecar_image as a container, with a directory of the node for its /tmp and home:
# the runtime's own are 64 MiB of memory. Without a command, the image decides.
sidecar_runtime_start() {
    local verb=run options=()
    options+=(--workdir "$1")
    [[ -z $sidecar_home ]] || options+=(--no-home --home "$sidecar_home")
    [[ -z $sidecar_working_dir ]] || options+=(--pwd "$sidecar_working_dir")
    [[ ${#sidecar_command[@]} -eq 0 ]] || verb="exec"
    sidecar_call=("$sidecar_program" --quiet "$verb" "${options[@]}" "${sidecar_options[@]}" "${sidecar_binds[@]}"
        "$sidecar_image" "${sidecar_command[@]}" "${sidecar_arguments[@]}")
}

# An environment variable of the container.
sidecar_env() { export "APPTAINERENV_$1=$2" "SINGULARITYENV_$1=$2"; }

# sidecar_bind SOURCE DESTINATION ro|rw: add to sidecar_binds. The runtime reads the option as CSV.
sidecar_bind() {
    local source="\"source=${1//\"/\"\"}\"" destination="\"destination=${2//\"/\"\"}\""
    [[ $3 == rw ]] || destination+=,ro
    sidecar_binds+=(--mount "type=bind,$source,$destination")
}
