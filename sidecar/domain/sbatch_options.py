"""The options that sbatch has, which of them take a value, and which of them no pod may set.

Compared with sbatch 22.05 (``sbatch --help`` and its manual), and with the manual of later versions for options that
came since. Source: https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

SHORT = {
    "A": "account", "a": "array", "b": "begin", "B": "extra-node-info", "C": "constraint", "c": "cpus-per-task",
    "D": "chdir", "d": "dependency", "e": "error", "F": "nodefile", "G": "gpus", "H": "hold", "h": "help",
    "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses", "M": "clusters", "m": "distribution",
    "N": "nodes", "n": "ntasks", "O": "overcommit", "o": "output", "p": "partition", "Q": "quiet", "q": "qos",
    "S": "core-spec", "s": "oversubscribe", "t": "time", "V": "version", "v": "verbose", "W": "wait",
    "w": "nodelist", "x": "exclude",
}  # fmt: skip
"""Short letter to long name."""

WITHOUT_VALUE = frozenset({
    "consolidate-segments", "contiguous", "external", "help", "hold", "ignore-pbs", "no-requeue", "overcommit",
    "oversubscribe", "parsable", "quiet", "reboot", "requeue", "spread-job", "spread-segments", "stepmgr",
    "test-only", "usage", "use-min-nodes", "verbose", "version", "wait",
})  # fmt: skip
"""Options that take no value."""

OPTIONAL_VALUE = frozenset({
    "exclusive", "get-user-env", "nice", "no-kill", "oom-kill-step", "propagate", "resv-ports",
})  # fmt: skip
"""Options whose value, if any, follows after ``=`` (or glued to the letter), never as a word of its own."""

WITH_VALUE = frozenset({
    "account", "acctg-freq", "array", "batch", "bb", "bbf", "begin", "chdir", "cluster-constraint", "clusters",
    "comment", "constraint", "container", "container-id", "context", "core-spec", "cores-per-socket", "cpu-freq",
    "cpus-per-gpu", "cpus-per-task", "deadline", "delay-boot", "dependency", "distribution", "error", "exclude",
    "export", "export-file", "extra", "extra-node-info", "gid", "gpu-bind", "gpu-freq", "gpus", "gpus-per-node",
    "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint", "input", "job-name", "kill-on-invalid-dep",
    "licenses", "mail-type", "mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus",
    "network", "nodefile", "nodelist", "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node",
    "ntasks-per-socket", "open-mode", "output", "partition", "power", "prefer", "priority", "profile", "qos",
    "reservation", "segment", "signal", "sockets-per-node", "switches", "thread-spec", "threads-per-core", "time",
    "time-min", "tmp", "tres-bind", "tres-per-task", "uid", "wait-all-nodes", "wckey", "wrap",
})  # fmt: skip
"""Options that need a value."""

ALIASES = {
    "cluster": "clusters",
    "share": "oversubscribe",
    "tasks-per-node": "ntasks-per-node",
    "workdir": "chdir",
}
"""Other and older long names."""

KNOWN = WITHOUT_VALUE | OPTIONAL_VALUE | WITH_VALUE
"""Every long name."""

_OWN = "the sidecar sets it itself"
_ENVIRONMENT = "the job's environment must be the pod's"
_LOGS = "the containers' logs go to files of their own"
_SUBMITS_NOTHING = "it submits nothing"
_USER = "securityContext.runAsUser and runAsGroup say it"
_CONTAINERS = "the sidecar starts the containers itself"
REFUSED = {
    "array": "one pod is exactly one job",
    "bbf": "sbatch would read a file of the sidecar's machine; --bb takes the specification itself",
    "chdir": _OWN,
    "clusters": "the sidecar follows jobs of its own cluster only",
    "comment": "the sidecar finds its jobs by it",
    "container": _CONTAINERS,
    "container-id": _CONTAINERS,
    "error": _LOGS,
    "export": _ENVIRONMENT,
    "export-file": _ENVIRONMENT,
    "external": "a job without a script cannot run a pod",
    "get-user-env": _ENVIRONMENT,
    "gid": _USER,
    "help": _SUBMITS_NOTHING,
    "input": "containers have no standard input",
    "no-requeue": _OWN,
    "nodefile": "sbatch would read a file of the sidecar's machine; --nodelist takes the names themselves",
    "open-mode": _OWN,
    "output": _LOGS,
    "parsable": _OWN,
    "quiet": _OWN,
    "requeue": "a requeued job would run the pod a second time",
    "signal": "the job's script takes signals for the order to stop its containers",
    "test-only": _SUBMITS_NOTHING,
    "uid": _USER,
    "usage": _SUBMITS_NOTHING,
    "verbose": "it changes what the sidecar reads",
    "version": _SUBMITS_NOTHING,
    "wait": "the sidecar does not wait for jobs",
    "wrap": "the script is the sidecar's",
}
"""Options a pod may not set, and why."""
