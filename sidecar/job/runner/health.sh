# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Probes and hooks. Commands run inside the container; requests come from the node, whose network the container shares.
# Source: https://kubernetes.io/docs/concepts/workloads/pods/probes/

# sidecar_read_lifecycle NAME: the container's probes and hooks, if it has any (see sidecar/job/lifecycle.py).
# A probe is (DELAY PERIOD TIMEOUT SUCCESSES FAILURES GRACE KIND ARGUMENT...), a hook (KIND ARGUMENT...).
sidecar_read_lifecycle() {
    sidecar_startup=() sidecar_liveness=() sidecar_readiness=() sidecar_post_start=() sidecar_pre_stop=()
    # shellcheck source=/dev/null
    [[ ! -e $sidecar_files/containers/$1.lifecycle.sh ]] || . "$sidecar_files/containers/$1.lifecycle.sh"
}

# sidecar_kinds: what its probes and hooks are made of.
sidecar_kinds() {
    printf ' %s' "${sidecar_startup[6]-}" "${sidecar_liveness[6]-}" "${sidecar_readiness[6]-}" \
        "${sidecar_post_start[0]-}" "${sidecar_pre_stop[0]-}" ''
}

# sidecar_check_lifecycle NAME: rather not start than find out later that a probe can never succeed.
sidecar_check_lifecycle() {
    local kinds
    kinds=$(sidecar_kinds)
    if [[ $kinds == *" http "* || $kinds == *" grpc "* ]] && ! type -P curl >/dev/null; then
        echo "slurm-sidecar: container $1 has a probe or hook that needs curl, and node $sidecar_node has none"
        return 1
    fi
    # Only what runs in a user namespace of ours can be joined.
    [[ $kinds != *" exec "* ]] || sidecar_options+=("${sidecar_joinable[@]}")
}

# What the start of a container means for its health.
sidecar_first_health() {
    local started=true ready=true
    [[ ${#sidecar_startup[@]} -eq 0 && ${#sidecar_post_start[@]} -eq 0 ]] || started=false
    [[ $started == true && ${#sidecar_readiness[@]} -eq 0 ]] || ready=false
    printf '"started":%s,"ready":%s' "$started" "$ready"
}

# sidecar_attend NAME ATTEMPT: look after a container that runs, beside it.
sidecar_attend() {
    sidecar_attendant=
    if [[ $(sidecar_kinds) == *[a-z]* ]]; then
        sidecar_spawn sidecar_look_after "$1" "$2"
        sidecar_attendant=$sidecar_pid sidecar_attendant_pipe=$sidecar_pipe
    else
        : >"$sidecar_private/work/$1.started"
    fi
}
sidecar_attendant=

sidecar_forget_attendant() {
    [[ -n $sidecar_attendant ]] || return
    sidecar_kill_tree "$sidecar_attendant"
    exec {sidecar_attendant_pipe}<&-
    unset "sidecar_pipes[$sidecar_attendant_pipe]"
    sidecar_attendant=
}

# sidecar_look_after NAME ATTEMPT: the startup probe holds back the others.
sidecar_look_after() {
    local began=$SECONDS ready=true
    trap - TERM
    exec 2>/dev/null # what is killed at the end is nobody's news
    sidecar_wait_for_process
    if [[ ${#sidecar_post_start[@]} -gt 0 ]]; then
        sidecar_act 0 "${sidecar_post_start[@]}" >"$sidecar_work.postStart" || sidecar_unhealthy postStart ''
    fi
    [[ ${#sidecar_startup[@]} -eq 0 ]] || sidecar_probe startup "$began" || return
    [[ ${#sidecar_readiness[@]} -eq 0 ]] || ready=false
    if [[ ${#sidecar_startup[@]} -gt 0 || ${#sidecar_post_start[@]} -gt 0 ]]; then
        sidecar_report container_health "$sidecar_which,\"started\":true,\"ready\":$ready"
    fi
    : >"$sidecar_private/work/$1.started"
    [[ ${#sidecar_readiness[@]} -eq 0 ]] || sidecar_probe readiness "$began" &
    [[ ${#sidecar_liveness[@]} -eq 0 ]] || sidecar_probe liveness "$began" &
    wait
}

sidecar_wait_for_process() {
    local tries=100
    until sidecar_find_process "$sidecar_child" || ((tries-- == 0)); do sleep 0.02; done
}

# sidecar_probe KIND BEGAN: ask again and again. Returns when the startup probe has succeeded, or when the container is
# to be ended.
sidecar_probe() {
    local -n spec=sidecar_$1
    local delay=${spec[0]} period=${spec[1]} successes=${spec[3]} failures=${spec[4]} good=0 bad=0 known=
    delay=$((delay - SECONDS + $2))
    [[ $delay -le 0 ]] || sleep "$delay"
    while :; do
        if sidecar_act "${spec[2]}" "${spec[@]:6}" >"$sidecar_work.$1"; then
            good=$((good + 1)) bad=0
        else
            good=0 bad=$((bad + 1))
        fi
        if [[ $good -ge $successes && $known != good ]]; then
            known=good
            case $1 in
            startup) return ;;
            readiness) sidecar_report container_health "$sidecar_which,\"started\":true,\"ready\":true" ;;
            esac
        elif [[ $bad -ge $failures && $known != bad ]]; then
            case $1 in
            readiness) sidecar_not_ready "$known" ;;
            *) sidecar_unhealthy "$1" "${spec[5]}" ;;
            esac
            known=bad
        fi
        sleep "$period"
    done
}

# sidecar_not_ready BEFORE: no news if it never was.
sidecar_not_ready() {
    [[ $1 == good ]] || return
    head -c 1024 "$sidecar_work.readiness" >"$sidecar_words.readiness"
    sidecar_report container_health "$sidecar_which,\"started\":true,\"ready\":false"
}

# sidecar_unhealthy WHY GRACE: the supervisor ends the container, and this shell with it. No news of one that is about to
# end anyway, or has: then nobody can answer.
sidecar_unhealthy() {
    [[ ! -e $sidecar_work.ending && -d /proc/$sidecar_process ]] || sleep infinity
    head -c 1024 "$sidecar_work.$1" >"$sidecar_words.$1"
    sidecar_report container_unhealthy "$sidecar_which,\"check\":\"$1\""
    printf '%s\n' "$2" >"$sidecar_work.unhealthy.new"
    mv "$sidecar_work.unhealthy.new" "$sidecar_work.unhealthy"
    sleep infinity
}

# sidecar_pre_stop SECONDS: the hook, if the container has begun.
sidecar_pre_stop() {
    [[ ${#sidecar_pre_stop[@]} -gt 0 ]] && sidecar_find_process "$sidecar_child" || return 0
    sidecar_act "$1" "${sidecar_pre_stop[@]}" >"$sidecar_work.preStop" && return
    head -c 1024 "$sidecar_work.preStop" >"$sidecar_words.preStop"
    sidecar_report container_unhealthy "$sidecar_which,\"check\":\"preStop\""
}

# sidecar_act SECONDS KIND ARGUMENT...: true if it went well; what it says is the reason if it did not.
sidecar_act() {
    local seconds=$1 kind=$2 code
    shift 2
    "sidecar_act_$kind" "$seconds" "$@"
    code=$?
    [[ $code -ne 137 ]] || echo "no answer within $seconds s"
    return "$code"
}

sidecar_act_exec() { sidecar_join "$@"; }

# sidecar_act_sleep LIMIT SECONDS: as long as it may; that is no failure.
sidecar_act_sleep() { sleep "$(($1 > 0 && $1 < $2 ? $1 : $2))"; }

# sidecar_act_tcp SECONDS HOST PORT
sidecar_act_tcp() {
    # shellcheck disable=SC2016 # the other shell's arguments
    timeout -s KILL "$1" "$BASH" -c ': 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>&1
}

# sidecar_act_http SECONDS URL HEADERS: HEADERS are lines for curl, which gets them where nobody sees them.
# As a kubelet does, follow redirects within the host only, and take any other for a success.
sidecar_act_http() {
    local url=$2 host answer code hops=10
    host=$(sidecar_host_of "$url")
    until ((hops-- == 0)); do
        answer=$(printf 'url = "%s"\n%s' "$url" "$3" |
            sidecar_curl "$1" --path-as-is --output /dev/null --write-out '\n%{http_code} %{redirect_url}') || {
            echo "${answer%%$'\n'000*}"
            return 1
        }
        answer=${answer##*$'\n'}
        code=${answer%% *} url=${answer#* }
        [[ -n $url && $url != *[\"\\]* && $(sidecar_host_of "$url") == "$host" ]] && continue
        echo "HTTP probe failed with statuscode: $code"
        [[ $code -ge 200 && $code -lt 400 ]]
        return
    done
    echo "stopped after 10 redirects"
    return 1
}

sidecar_host_of() { [[ $1 =~ ^[a-z]+://([^/?#]*@)?(\[[^]]*\]|[^/:?#@]*) ]] && echo "${BASH_REMATCH[2]}"; }

# sidecar_curl SECONDS OPTION...: more options come from standard input.
sidecar_curl() {
    curl -q --silent --show-error --globoff --insecure --noproxy '*' --proto =http,https --max-time "$1" \
        --user-agent kube-probe/1.34 --config - "${@:2}" 2>&1
}

# sidecar_act_grpc SECONDS URL FRAME: call grpc.health.v1.Health/Check; FRAME is the request for printf's %b.
# Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
sidecar_act_grpc() {
    local answer=$sidecar_work.$BASHPID.grpc said
    rm -f "$answer"
    printf '%b' "$3" >"$answer.request"
    printf 'url = "%s"\n' "$2" | sidecar_curl "$1" --http2-prior-knowledge --output "$answer" \
        --header 'content-type: application/grpc' --header 'te: trailers' --data-binary "@$answer.request" || return
    said=$(od -An -tx1 "$answer" 2>/dev/null)
    case ${said//[[:space:]]/} in
    00000000020801) return ;;
    '') echo "the gRPC service did not answer the health check" ;;
    *) echo "the gRPC service is not SERVING" ;;
    esac
    return 1
}
