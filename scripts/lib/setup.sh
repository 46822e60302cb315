# shellcheck shell=bash
#
# Everything a machine needs, in the order in which it needs it. Sourced, never run.

LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$LIB/common.sh"
# shellcheck source=scripts/lib/packages.sh
source "$LIB/packages.sh"
# shellcheck source=scripts/lib/slurm.sh
source "$LIB/slurm.sh"
# shellcheck source=scripts/lib/apptainer.sh
source "$LIB/apptainer.sh"
# shellcheck source=scripts/lib/image.sh
source "$LIB/image.sh"
# shellcheck source=scripts/lib/python.sh
source "$LIB/python.sh"

# set_up run|dev: nothing is installed or started that is there already.
set_up() {
    if is_root; then ensure_user; fi
    ensure_runtime
    ensure_image
    check_runtime "$BUSYBOX_IMAGE"
    ensure_slurm "$([[ $1 != dev ]] || printf 2)" # the tests' MPI programs run on two nodes
    ensure_python "$1"
}
