# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Main containers under mpiexec: every rank is a container of its own, on this node or another one of the job.

sidecar_rank_folder=/sidecar-rank-folder # stands in the call for what each rank makes on its own node

# sidecar_under_mpi NAME: only the pod's main containers are; what an init container does is done once.
sidecar_under_mpi() { [[ ${#sidecar_mpi[@]} -gt 0 && " ${sidecar_main_containers[*]} " == *" $1 "* ]]; }

sidecar_has_more_nodes() { [[ ${SLURM_JOB_NUM_NODES:-1} -gt 1 ]]; }

# What the other nodes of the job cannot have ends the job with a sentence, before anything runs.
sidecar_check_mpi() {
    [[ ${#sidecar_mpi[@]} -gt 0 ]] && sidecar_has_more_nodes || return 0
    [[ $sidecar_shared == yes ]] || sidecar_give_up "mpi-flags on several nodes need SHARED_FS=true"
    [[ ${#sidecar_memory_volumes[@]} -eq 0 ]] ||
        sidecar_give_up "volume ${sidecar_memory_volumes[0]}: memory is of one node; with mpi-flags on several nodes leave medium out"
}

# Put mpiexec before the call. Ranks that a step of Slurm starts share the job's cores with the steps of other containers.
sidecar_use_mpi() {
    export SLURM_OVERLAP=${SLURM_OVERLAP:-1}
    # shellcheck disable=SC2016 # the rank's own arguments
    sidecar_call=("${sidecar_mpi[@]}" "$BASH" -c "$(declare -f sidecar_rank sidecar_rank_environment)"'; sidecar_rank "$@"'
        rank "$sidecar_private" "$sidecar_rank_folder" "${sidecar_call[@]}")
}

# sidecar_rank NAME MARK CALL...: run the call on the rank's node, with a folder made there in the place of the mark.
# The folder is called NAME.rank.*; where the job's temporary folder is of the first node alone, it is in /tmp.
sidecar_rank() {
    local mark=$2 folder word call=() child code
    folder=$(mktemp -d "$1.rank.XXXXXXXX" 2>/dev/null || mktemp -d "/tmp/${1##*/}.rank.XXXXXXXX") || exit 128
    for word in "${@:3}"; do
        [[ $word != "$mark" ]] || word=$folder
        call+=("$word")
    done
    sidecar_rank_environment
    "${call[@]}" &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null' TERM
    while :; do
        wait "$child"
        code=$?
        [[ $code -gt 128 && -d /proc/$child ]] || break # else a signal ended the wait, not the container
    done
    chmod -R u+rwX "$folder" 2>/dev/null # containers may have left directories that nobody can empty
    rm -rf "$folder"
    exit "$code"
}

# Ranks that were killed leave their folders. Only Slurm gets to the other nodes, and no more once it ends the job itself.
sidecar_clean_ranks() {
    [[ ${#sidecar_mpi[@]} -gt 0 ]] || return 0
    sidecar_remove_ranks "$sidecar_private"
    ! sidecar_has_more_nodes ||
        timeout 10 srun --overlap --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 \
            "$BASH" -c "$(declare -f sidecar_remove_ranks); sidecar_remove_ranks \"\$1\"" clean "$sidecar_private"
} >/dev/null 2>&1 </dev/null

sidecar_remove_ranks() {
    set -- "$1".rank.* "/tmp/${1##*/}".rank.*
    chmod -R u+rwX "$@"
    rm -rf "$@"
}

# What tells a rank who it is, and how to reach the others, goes into the container, which gets nothing else from here.
# Names: MPICH and its kin (Hydra sets PMI_FD, PMI_RANK, PMI_SIZE), Intel MPI, MVAPICH, Open MPI, Slurm.
sidecar_rank_environment() {
    local name
    for name in $(compgen -e); do
        case $name in
        PMI_* | PMI[2X]_* | MPI_* | MPICH_* | MPIR_* | HYDRA_* | HYDI_* | I_MPI_* | MV2_* | OMPI_* | PRTE_* | SLURM*)
            [[ -n ${!name+x} ]] || continue
            export "APPTAINERENV_$name=${!name}" "SINGULARITYENV_$name=${!name}"
            ;;
        esac
    done
}
