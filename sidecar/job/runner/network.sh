# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Ways out of the node: the site's proxy through a login node (Tsocks), and interLink's tunnels.

# Open a SOCKS proxy on this node that leads through the login node, or end the job with a sentence that says why not.
# The admin's and user's shell texts that follow go through it as well; what a tunnel needs may have to be downloaded.
sidecar_open_proxy() {
    local said=$sidecar_private/ssh.said port tries=10
    [[ -r $sidecar_tsocks_library ]] || sidecar_no_proxy "there is no library $sidecar_tsocks_library on node $sidecar_node"
    until sidecar_find_port && sidecar_try_proxy "$port" "$said"; do
        # Somebody else may have taken the port just before ssh did.
        [[ $(<"$said") == *"in use"* && $((tries--)) -gt 0 ]] || sidecar_no_proxy "$(tail -n 1 "$said")"
    done
    printf 'local = 10.0.0.0/255.0.0.0\nserver = 127.0.0.1\nserver_port = %s\n' "$port" >"$sidecar_private/tsocks.conf"
    export TSOCKS_CONF_FILE=$sidecar_private/tsocks.conf LD_PRELOAD=$sidecar_tsocks_library
}

sidecar_no_proxy() {
    sidecar_give_up "no tunnel to the login node ${sidecar_tsocks_login[-1]}: ${1:-ssh did not say why}"
}

# sidecar_try_proxy PORT FILE: what ssh says goes to the file. It asks nothing, as nobody could answer.
sidecar_try_proxy() {
    local tries=300
    ssh -4 -N -D "127.0.0.1:$1" -o BatchMode=yes -o ExitOnForwardFailure=yes -o ConnectTimeout=20 \
        "${sidecar_tsocks_login[@]}" </dev/null >"$2" 2>&1 &
    while ((tries-- > 0)); do
        ! sidecar_is_listening "$1" "$UID" || return 0
        kill -0 "$!" 2>/dev/null || return
        sleep 0.1
    done
    echo "it did not open within 30 s" >>"$2"
    return 1
}

# Leave in port one where nobody listens, below those that outgoing connections take.
sidecar_find_port() {
    port=$((10000 + RANDOM % 22000))
    while sidecar_is_listening "$port"; do port=$((10000 + RANDOM % 22000)); done
}

# sidecar_is_listening PORT [UID]: whether a program (of this user) listens there.
# Source of the format: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
sidecar_is_listening() {
    local address state uid hex table
    printf -v hex '%04X' "$1"
    for table in /proc/net/tcp /proc/net/tcp6; do
        while read -r _ address _ state _ _ _ uid _; do
            [[ ${address##*:} != "$hex" || $state != 0A || ${2-$uid} != "$uid" ]] || return 0
        done <"$table"
    done 2>/dev/null
    return 1
}

# What a container knows of its network; its own environment is read after this and wins, so a pod that sets LD_PRELOAD
# itself does without the proxy. In interLink's mesh, and on a job's other nodes, nobody could reach this node's proxy.
sidecar_tell_network() {
    [[ -z $sidecar_pod_ip ]] || sidecar_env POD_IP "$sidecar_pod_ip"
    [[ -n $sidecar_tsocks_library && $sidecar_in_mesh != yes ]] || return 0
    if [[ ${#sidecar_mpi[@]} -gt 0 ]] && sidecar_has_more_nodes; then return 0; fi
    sidecar_bind "$(realpath "$sidecar_tsocks_library")" "$sidecar_tsocks_library" ro
    sidecar_bind "$sidecar_private/tsocks.conf" /etc/tsocks.conf ro
    sidecar_env LD_PRELOAD "$sidecar_tsocks_library"
    sidecar_env TSOCKS_CONF_FILE /etc/tsocks.conf
}

# Run interLink's commands to their end, which should leave a tunnel in the background; a shell of their own keeps the
# job from ending with them. The containers do not wait for ever, and start also without the tunnel.
sidecar_start_tunnels() {
    local tries=600
    (cd "$TMPDIR" && exec "$BASH" "$sidecar_files/tunnels.sh" </dev/null) &
    while kill -0 "$!" 2>/dev/null; do
        ((tries-- > 0)) || break
        sleep 0.1
    done
    if ((tries < 0)); then
        echo "slurm-sidecar: the pod's tunnel commands stay in the foreground; the containers start beside them"
    elif ! wait "$!"; then
        echo "slurm-sidecar: the pod's tunnel commands failed; the containers start without"
    fi
} >&2
