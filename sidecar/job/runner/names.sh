# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# What the pod's containers are called and call others: /etc/hosts and /etc/resolv.conf, the node's with the pod's own.

# Once in a job.
sidecar_write_names() {
    [[ -z $sidecar_hostname ]] || sidecar_env HOSTNAME "$sidecar_hostname"
    sidecar_write_hosts >"$sidecar_private/hosts" || return
    [[ $sidecar_resolver == none ]] || sidecar_write_resolver >"$sidecar_private/resolv.conf" || return
    chmod 644 "$sidecar_private"/{hosts,resolv.conf} 2>/dev/null
    return 0
}

# sidecar_bind_names [NAME]...: these files, as far as the pod has them. Not with MPI: other nodes do not.
sidecar_bind_names() {
    local name
    for name; do
        [[ -e $sidecar_private/$name && ${#sidecar_mpi[@]} -eq 0 ]] || continue
        sidecar_make_mount_point "/etc/$name" "$sidecar_private/$name" || return
        sidecar_bind "$sidecar_private/$name" "/etc/$name" rw
    done
}

sidecar_write_hosts() {
    local alias
    cat /etc/hosts 2>/dev/null
    echo
    if [[ -n $sidecar_hostname ]]; then
        sidecar_find_address
        echo "$sidecar_address ${sidecar_fqdn:+$sidecar_fqdn }$sidecar_hostname"
    fi
    for alias in "${sidecar_host_aliases[@]}"; do echo "$alias"; done
}

# The pod's address: its own, where interLink has given it one; else the one by which the node is known.
sidecar_find_address() {
    local node
    sidecar_address=$sidecar_pod_ip
    [[ ! $sidecar_address =~ ^[0-9a-fA-F.:]+$ ]] || return 0
    node=$(uname -n)
    read -r sidecar_address _ < <(getent ahostsv4 "$node" 2>/dev/null)
    # Some nodes know themselves by a loopback address alone.
    [[ -n $sidecar_address && $sidecar_address != 127.* ]] || read -r sidecar_address _ < <(hostname -I 2>/dev/null)
    sidecar_address=${sidecar_address:-127.0.0.1}
}

# One line holds all domains: of several, only the last counts.
# Source: https://man7.org/linux/man-pages/man5/resolv.conf.5.html
sidecar_write_resolver() {
    local word rest searches=()
    while [[ $sidecar_resolver == more ]] && read -r word rest; do
        case $word in
        search | domain) read -ra searches <<<"$rest" ;;
        *) echo "$word${rest:+ $rest}" ;;
        esac
    done < <(cat /etc/resolv.conf 2>/dev/null)
    for word in "${sidecar_nameservers[@]}"; do echo "nameserver $word"; done
    searches+=("${sidecar_searches[@]}")
    [[ ${#searches[@]} -eq 0 ]] || echo "search ${searches[*]}"
    [[ ${#sidecar_resolver_options[@]} -eq 0 ]] || echo "options ${sidecar_resolver_options[*]}"
}
