# shellcheck shell=bash disable=SC2154 # one program with the other files of this folder
#
# GPUs of the job for containers that ask for some.

# sidecar_tell_devices FIRST COUNT ALL: which GPUs are the container's, by the variables that Slurm's plugin sets for the
# job's. Where a flag has asked for another number than the pod's containers do, each container has all of them. The
# runtime clears these variables; the container's own environment is read after this and wins.
# Source: https://slurm.schedmd.com/gres.html
sidecar_tell_devices() {
    local name gpus IFS=,
    for name in CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK; do
        [[ -n ${!name-} ]] || continue
        read -ra gpus <<<"${!name}"
        [[ ${#gpus[@]} -ne $3 ]] || gpus=("${gpus[@]:$1:$2}")
        sidecar_env "$name" "${gpus[*]-}"
    done
}
