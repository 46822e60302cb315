# shellcheck shell=bash
#
# Debian packages: install what a list of commands needs, in one apt-get call. Sourced, never run.

# ensure_commands COMMAND=PACKAGE...: nothing happens when every command is there.
ensure_commands() {
    local pair missing=()
    for pair in "$@"; do
        have "${pair%%=*}" || [[ " ${missing[*]} " == *" ${pair#*=} "* ]] || missing+=("${pair#*=}")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then install_packages "${missing[@]}"; fi
}

install_packages() {
    step "Installing packages: $*"
    have apt-get || die "no apt-get here; install these by your own package manager, then run this again: $*"
    is_root || die "not root; ask an administrator to run: apt-get install $*"
    hold_services_back
    quietly apt-get update
    quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Debian starts a service as soon as it is installed; the cluster starts its own daemons with its own files.
hold_services_back() {
    [[ ! -e /usr/sbin/policy-rc.d ]] || return 0
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    at_exit let_services_start
}

let_services_start() { rm -f /usr/sbin/policy-rc.d; }
