# shellcheck shell=bash disable=SC2154 # one program with the other files of this folder
#
# GPUs of the job for containers that ask for some.

# Which GPUs Slurm has given the job, by the variables that its plugin sets. The runtime clears them; the container's
# own environment is read after this and wins.
# Source: https://slurm.schedmd.com/gres.html
sidecar_tell_devices() {
    local name
    for name in CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK; do
        [[ -z ${!name-} ]] || sidecar_env "$name" "${!name}"
    done
}
