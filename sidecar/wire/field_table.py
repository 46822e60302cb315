"""The table of a pod's fields: what each comes to. ``docs/pod-fields.md`` shows it, and a test keeps it true."""

from __future__ import annotations

from sidecar.wire.fields import Entry, Treatment, at, tree


def honoured(path: str, sentence: str, shown_by: str, *nothing: object, switch: str = "") -> Entry:
    return Entry(
        path=path, treatment=Treatment.HONOURED, sentence=sentence, shown_by=shown_by, nothing=nothing, switch=switch
    )


def refused(path: str, sentence: str, *nothing: object, switch: str = "") -> Entry:
    return Entry(path=path, treatment=Treatment.REFUSED, sentence=sentence, nothing=nothing, switch=switch)


def ignored(path: str, sentence: str, *nothing: object, recorded: bool = False) -> Entry:
    return Entry(path=path, treatment=Treatment.IGNORED, sentence=sentence, nothing=nothing, recorded=recorded)


def elsewhere(path: str, sentence: str) -> Entry:
    return Entry(path=path, treatment=Treatment.ELSEWHERE, sentence=sentence)


def resolved(path: str, sentence: str) -> Entry:
    return Entry(path=path, treatment=Treatment.RESOLVED, sentence=sentence)


_VALUES = "e2e/test_values.py"
_PODS = "e2e/test_pods.py"
_NETWORK = "e2e/test_network.py"
_IMAGES = "integration/runner/test_runner_registry.py"
_VOLUMES = "integration/runner/test_runner_volumes.py"
_WIRE_VOLUMES = "unit/test_wire_volumes.py"
_RESOURCES = "unit/test_resources.py"
_ALLOCATED = "e2e/test_resources.py"
_CONTENTS = "unit/test_job_contents.py"
_ROOT = "integration/runner/test_runner_root.py"
_NAMES = "integration/runner/test_runner_names.py"
_WIRE_DOWNWARD = "unit/test_wire_downward.py"
_OWNER = "files belong to the job's user, who is the user of all of the pod's containers"

_ITEMS = (
    honoured("items", "select and rename keys; without them every key is a file", _WIRE_VOLUMES),
    honoured("items.key", "a missing one is refused unless the source is optional", _WIRE_VOLUMES),
    honoured("items.path", "relative, without ..", _WIRE_VOLUMES),
    honoured("items.mode", "the file's permission bits", _VALUES),
    ignored("items.user", _OWNER),
)
_REFERENCE = (
    honoured("fieldRef", "interLink's value, as it comes; the pod's name, namespace, UID, service account, labels and "
             "annotations also here; in env also spec.nodeName, status.podIP(s) and hostIP(s): the compute node's, and "
             "$(VAR) carries them on", _WIRE_DOWNWARD),
    honoured("fieldRef.apiVersion", "v1 is the only one", _WIRE_DOWNWARD),
    honoured("fieldRef.fieldPath", "the field's value", _WIRE_DOWNWARD),
    honoured("resourceFieldRef", "the limit or request that the container states, rounded up", _WIRE_DOWNWARD),
    honoured("resourceFieldRef.containerName", "whose resource; in a volume without it, the first container that "
             "mounts it", _WIRE_DOWNWARD),
    honoured("resourceFieldRef.resource", "which resource", _WIRE_DOWNWARD),
    honoured("resourceFieldRef.divisor", "in which unit", _WIRE_DOWNWARD),
)  # fmt: skip
_DOWNWARD_ITEMS = (
    honoured("items", "one file each", _VALUES),
    honoured("items.path", "the file's path", _VALUES),
    honoured("items.mode", "the file's permission bits", _WIRE_DOWNWARD),
    ignored("items.user", _OWNER),
    *at("items", _REFERENCE),
)

_CLUSTER_VOLUME = "use configMap, secret, projected, downwardAPI, emptyDir, hostPath or persistentVolumeClaim"
_VOLUME = (
    honoured("name", "the volume's name", _WIRE_VOLUMES),
    honoured("hostPath", "a path of the compute node, within the site's rules", _VOLUMES),
    honoured("hostPath.path", "absolute, without ..", _VOLUMES),
    honoured("hostPath.type", "checked, or made, on the compute node", _VOLUMES),
    honoured("emptyDir", "a directory of the job's, gone with it", _VALUES),
    honoured("emptyDir.medium", "Memory: in /dev/shm of the compute node", _VALUES),
    ignored("emptyDir.sizeLimit", "the job's memory and disk limits hold for all that it writes", recorded=True),
    refused("emptyDir.mode", "leave it out; all containers run as the user who owns the directory"),
    honoured("configMap", "exactly its keys, read-only", _VALUES),
    honoured("configMap.name", "which ConfigMap", _VALUES),
    honoured("configMap.defaultMode", "the files' permission bits", _WIRE_VOLUMES),
    honoured("configMap.optional", "true: it, and any of its keys, may be absent", _WIRE_VOLUMES),
    ignored("configMap.defaultUser", _OWNER),
    *at("configMap", _ITEMS),
    honoured("secret", "exactly its keys, read-only", _WIRE_VOLUMES),
    honoured("secret.secretName", "which Secret", _WIRE_VOLUMES),
    honoured("secret.defaultMode", "the files' permission bits", _WIRE_VOLUMES),
    honoured("secret.optional", "true: it, and any of its keys, may be absent", _WIRE_VOLUMES),
    ignored("secret.defaultUser", _OWNER),
    *at("secret", _ITEMS),
    honoured("projected", "the files that interLink puts together", _VALUES),
    honoured("projected.defaultMode", "the files' permission bits", _WIRE_VOLUMES),
    ignored("projected.defaultUser", _OWNER),
    honoured("projected.sources", "interLink sends their files", _VALUES),
    honoured("projected.sources.configMap", "interLink sends its texts, but not its binaryData", _VALUES),
    honoured("projected.sources.secret", "interLink sends none: refused unless another volume of the pod has it",
             _WIRE_VOLUMES),
    *(
        entry
        for source in ("configMap", "secret")
        for entry in (
            honoured(f"projected.sources.{source}.name", "which one", _VALUES),
            honoured(f"projected.sources.{source}.optional", "an absent one is passed over", _WIRE_VOLUMES),
            *at(f"projected.sources.{source}", _ITEMS),
        )
    ),
    honoured("projected.sources.downwardAPI", "the pod's own fields", _VALUES),
    *at("projected.sources.downwardAPI", _DOWNWARD_ITEMS),
    honoured("projected.sources.serviceAccountToken", "interLink sends the token", _WIRE_VOLUMES),
    honoured("projected.sources.serviceAccountToken.path", "the token's file", _WIRE_VOLUMES),
    elsewhere("projected.sources.serviceAccountToken.audience", "interLink asks Kubernetes for the token"),
    elsewhere("projected.sources.serviceAccountToken.expirationSeconds", "interLink asks Kubernetes for the token"),
    ignored("projected.sources.serviceAccountToken.user", _OWNER),
    refused("projected.sources.clusterTrustBundle", "interLink does not send it; use a configMap"),
    refused("projected.sources.podCertificate", "interLink does not send it; use a secret"),
    refused("projected.sources.*", "interLink does not send it"),
    honoured("downwardAPI", "the pod's own fields", _VALUES),
    honoured("downwardAPI.defaultMode", "the files' permission bits", _WIRE_DOWNWARD),
    ignored("downwardAPI.defaultUser", _OWNER),
    *at("downwardAPI", _DOWNWARD_ITEMS),
    honoured("persistentVolumeClaim", "the folder that the site names under PersistentVolumeClaims", _VALUES),
    honoured("persistentVolumeClaim.claimName", "which claim; one that the site has not named is refused", _VALUES),
    honoured("persistentVolumeClaim.readOnly", "no container can write there", _VOLUMES),
    refused("image", "name the image as the container's own"),
    *(
        refused(kind, _CLUSTER_VOLUME)
        for kind in (
            "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume",
            "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
            "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos", "csi", "ephemeral", "*",
        )
    ),
)  # fmt: skip

_NO_LABELS = "the site decides how its nodes confine jobs"
_ANY_SECURITY = (
    honoured("runAsUser", "whom the site allows; all containers the same; never root", "unit/test_users.py"),
    honoured("runAsGroup", "the user's primary group, where the sidecar is root any other too", "unit/test_users.py"),
    honoured("runAsNonRoot", "jobs never run as root", "unit/test_users.py"),
    ignored("seLinuxOptions", _NO_LABELS),
    ignored("windowsOptions", "compute nodes run Linux"),
    ignored("seccompProfile", _NO_LABELS),
    ignored("appArmorProfile", _NO_LABELS),
)
_POD_SECURITY = (
    *_ANY_SECURITY,
    ignored("fsGroup", _OWNER),
    ignored("fsGroupChangePolicy", _OWNER),
    ignored("supplementalGroups", "a job has the groups of its user"),
    ignored("supplementalGroupsPolicy", "a job has the groups of its user"),
    ignored("seLinuxChangePolicy", _NO_LABELS),
    refused("sysctls", "jobs cannot set the node's kernel parameters"),
)
_CONTAINER_SECURITY = (
    *_ANY_SECURITY,
    refused("privileged", "jobs have no privileges"),
    honoured("capabilities", "as follows", "unit/test_users.py"),
    refused("capabilities.add", "jobs have no capabilities"),
    honoured("capabilities.drop", "jobs have no capabilities to begin with", "unit/test_users.py"),
    honoured(
        "readOnlyRootFilesystem",
        "true: the image is read-only, but /tmp, /var/tmp and the home directory; false: "
        "new files and folders can be made at its root until the container ends, but what the image has as root's "
        "stays as it is; not with mpi-flags",
        _ROOT,
    ),
    honoured("allowPrivilegeEscalation", "jobs cannot gain privileges", "unit/test_users.py", True),
    refused("procMount", "every container has the usual /proc", "Default"),
)

_PROBES = "integration/runner/test_runner_probes.py"
_HOOKS = "integration/runner/test_runner_hooks.py"
_MESSAGES = "integration/runner/test_runner_messages.py"
_SIDECARS = "integration/runner/test_runner_sidecars.py"
_WIRE_LIFECYCLE = "unit/test_wire_lifecycle.py"
_HANDLER = (
    honoured("exec", "a command inside the running container", _PROBES),
    honoured("exec.command", "not by a shell", _PROBES),
    honoured("httpGet", "from the compute node, whose network the container shares", _PROBES),
    honoured("httpGet.path", "with its query", _PROBES),
    honoured("httpGet.port", "a number, or the name of one of the container's ports", _WIRE_LIFECYCLE),
    honoured("httpGet.host", "the container's node where there is none", _PROBES),
    honoured("httpGet.scheme", "HTTP or HTTPS; a certificate is not checked", _PROBES),
    refused("httpGet.protocol", "requests are HTTP/1.1", "HTTP1"),
    honoured("httpGet.httpHeaders", "also Host", _PROBES),
    honoured("httpGet.httpHeaders.name", "the header's name", _PROBES),
    honoured("httpGet.httpHeaders.value", "the header's value", _PROBES),
)
_PROBE = (
    *_HANDLER,
    honoured("tcpSocket", "whether the port can be connected to", _PROBES),
    honoured("tcpSocket.port", "a number, or the name of one of the container's ports", _WIRE_LIFECYCLE),
    honoured("tcpSocket.host", "the container's node where there is none", _PROBES),
    honoured("grpc", "the standard health check", _PROBES),
    honoured("grpc.port", "its port", _PROBES),
    honoured("grpc.service", "its service", _PROBES),
    honoured("grpc.mode", "TLS: a certificate is not checked", _PROBES),
    honoured("initialDelaySeconds", "0 by default", _PROBES),
    honoured("periodSeconds", "10 by default", _PROBES),
    honoured("timeoutSeconds", "1 by default", _PROBES),
    honoured("successThreshold", "1 by default", _PROBES),
    honoured("failureThreshold", "3 by default", _PROBES),
    honoured("terminationGracePeriodSeconds", "in place of the pod's", _PROBES),
)
_HOOK = (
    *_HANDLER,
    honoured("sleep", "wait for some seconds", _HOOKS),
    honoured("sleep.seconds", "so many", _HOOKS),
    ignored("tcpSocket", "Kubernetes does nothing for it either"),
)
_LIFECYCLE = (
    honoured("postStart", "right after the start; if it fails, the container is ended", _HOOKS),
    *at("postStart", _HOOK),
    honoured("preStop", "before the signal, within the grace period", _HOOKS),
    *at("preStop", _HOOK),
    honoured("stopSignal", "asks the container to end in place of TERM", _HOOKS),
)

_NO_PORTS = "the job has the node's own network: the port is reachable there as it is"
_CONTAINER = (
    honoured("name", "the container's name, different from all others in the pod", "unit/test_wire_create.py"),
    honoured("image", "run by Apptainer", _PODS),
    honoured("command", "replaces the image's entrypoint; $(VAR) is expanded", _VALUES),
    honoured("args", "replace the image's CMD; $(VAR) is expanded", _VALUES),
    honoured("workingDir", "where the command starts, made in a volume where it is missing, else it must be in the "
             "image; without it the image's WORKDIR", _ROOT),
    honoured("ports", "as in Kubernetes, for information", _NETWORK),
    honoured("ports.name", "for information", _NETWORK),
    honoured("ports.containerPort", "for information: every port can be reached", _NETWORK),
    honoured("ports.protocol", "for information", _NETWORK),
    ignored("ports.hostPort", _NO_PORTS),
    ignored("ports.hostIP", _NO_PORTS),
    resolved("envFrom", "interLink puts its variables into env"),
    honoured("env", "every byte of every value, in order", _VALUES),
    honoured("env.name", "every name that Kubernetes allows, but for APPTAINER_NAME, APPTAINER_CONTAINER and "
             "APPTAINER_INSTANCE; the last of two wins", _CONTENTS),
    honoured("env.value", "as it is, up to 128 KiB; interLink expands $(VAR)", _CONTENTS),
    honoured("env.valueFrom", "what interLink has left in place", _VALUES),
    *at("env.valueFrom", _REFERENCE),
    resolved("env.valueFrom.configMapKeyRef", "interLink sends the value"),
    resolved("env.valueFrom.secretKeyRef", "interLink sends the value"),
    refused("env.valueFrom.fileKeyRef", "let the container read the file itself"),
    honoured("resources", "the job's --cpus-per-task, --mem and --gres, by Kubernetes' rules", _ALLOCATED),
    honoured("resources.limits", "what the job is given; devices as ExtendedResources says, others are refused; "
             "ephemeral-storage is recorded only", _ALLOCATED),
    honoured("resources.requests", "what the job is given where there is no limit", _ALLOCATED),
    refused("resources.claims", "ask for GPUs by resources.limits"),
    elsewhere("resizePolicy", "it concerns later changes of the pod, which interLink does not send"),
    refused("restartPolicyRules", "use the pod's restartPolicy"),
    honoured("volumeMounts", "each in its place, also over files and inside one another", _VOLUMES),
    honoured("volumeMounts.name", "one of the pod's volumes", _WIRE_VOLUMES),
    honoured("volumeMounts.mountPath", "absolute, without a colon", _WIRE_VOLUMES),
    honoured("volumeMounts.readOnly", "the container cannot write there", _VOLUMES),
    honoured("volumeMounts.subPath", "one file or directory of the volume, never out of it", _VOLUMES),
    honoured("volumeMounts.subPathExpr", "subPath with $(VAR) replaced by the container's variables", _VALUES),
    honoured("volumeMounts.recursiveReadOnly", "Enabled is refused for paths of the node, which may have mounts below",
             _WIRE_VOLUMES),
    refused("volumeMounts.mountPropagation", "what a container mounts stays its own; it sees what the node mounts",
            "None", "HostToContainer"),
    refused("volumeMounts.bindMountOptions", "leave it out"),
    refused("volumeDevices", "jobs have no block devices"),
    honoured("terminationMessagePath", "its first 4096 bytes are the message in the container's state", _MESSAGES),
    honoured("terminationMessagePolicy", "FallbackToLogsOnError: else the end of the log", _MESSAGES),
    honoured("imagePullPolicy", "when the image is fetched, or the registry asked for it", _IMAGES),
    honoured("securityContext", "as follows", "unit/test_wire_create.py"),
    *at("securityContext", _CONTAINER_SECURITY),
    ignored("stdin", "a batch job has no terminal"),
    ignored("stdinOnce", "a batch job has no terminal"),
    ignored("tty", "a batch job has no terminal"),
    honoured("lifecycle", "hooks run in the job", _HOOKS),
    *at("lifecycle", _LIFECYCLE),
    *(entry for kind in ("liveness", "readiness", "startup") for entry in at(f"{kind}Probe", _PROBE)),
    honoured("livenessProbe", "too many failures end the container; restartPolicy says what follows", _PROBES,
             switch="enable_probes"),
    honoured("readinessProbe", "moves ready in the container's state", _PROBES, switch="enable_probes"),
    honoured("startupProbe", "holds back the other probes and what comes after a native sidecar", _PROBES,
             switch="enable_probes"),
)  # fmt: skip

_SCHEDULING = "Kubernetes has chosen the virtual node by it; which compute node, Slurm decides"
_SPEC = (
    honoured("volumes", "those that a container mounts", _VOLUMES),
    *at("volumes", _VOLUME),
    honoured("containers", "side by side in one job", _PODS),
    *at("containers", _CONTAINER),
    refused("containers.restartPolicy", "use the pod's restartPolicy"),
    honoured("initContainers", "one after another before the containers", _PODS),
    *at("initContainers", _CONTAINER),
    honoured("initContainers.restartPolicy", "Always: a native sidecar, until the containers end", _SIDECARS),
    ignored("ephemeralContainers", "they come by kubectl debug, which interLink does not pass on"),
    honoured("restartPolicy", "containers are started again inside the job", _PODS),
    honoured("terminationGracePeriodSeconds", "from TERM to KILL; 30 by default", "e2e/test_deletion.py"),
    honoured("activeDeadlineSeconds", "from the job's start; also the job's --time", "e2e/test_supervision.py"),
    honoured("dnsPolicy", "None: dnsConfig alone; all others: as the node, which does not know the cluster's services",
             _NAMES),
    honoured("dnsConfig", "added to the node's /etc/resolv.conf; not with mpi-flags", _NAMES),
    honoured("dnsConfig.nameservers", "after the node's own", _NAMES),
    honoured("dnsConfig.searches", "after the node's own", _NAMES),
    honoured("dnsConfig.options", "after the node's own", _NAMES),
    honoured("dnsConfig.options.name", "the option", _NAMES),
    honoured("dnsConfig.options.value", "after the option's name and a colon", _NAMES),
    elsewhere("nodeSelector", _SCHEDULING),
    elsewhere("serviceAccountName", "Kubernetes has added the token's volume"),
    elsewhere("serviceAccount", "the old name of serviceAccountName"),
    elsewhere("automountServiceAccountToken", "Kubernetes has added the token's volume, or not"),
    elsewhere("nodeName", "the virtual node"),
    honoured("hostNetwork", "a job always has its node's network", _NETWORK),
    refused("hostPID", "containers see their own processes"),
    refused("hostIPC", "containers have their own shared memory segments"),
    refused("shareProcessNamespace", "each container sees its own processes"),
    honoured("securityContext", "as follows", "unit/test_wire_create.py"),
    *at("securityContext", _POD_SECURITY),
    honoured("imagePullSecrets", "logins for the pull, where the Secret arrives; else the site's", _IMAGES),
    honoured("imagePullSecrets.name", "a Secret that a container mounts too: interLink sends no others", _IMAGES),
    honoured("hostname", "the containers' own; without it the pod's name; with mpi-flags and hostNetwork the node's",
             _NAMES),
    honoured("hostnameOverride", "wins over all other names", _NAMES),
    honoured("subdomain", "the full name is in /etc/hosts, below svc.cluster.local", _NAMES),
    honoured("setHostnameAsFQDN", "the hostname is the full name", _NAMES),
    elsewhere("affinity", _SCHEDULING),
    elsewhere("schedulerName", _SCHEDULING),
    elsewhere("tolerations", _SCHEDULING),
    elsewhere("topologySpreadConstraints", _SCHEDULING),
    elsewhere("schedulingGates", _SCHEDULING),
    elsewhere("schedulingGroup", _SCHEDULING),
    elsewhere("priorityClassName", _SCHEDULING),
    elsewhere("priority", _SCHEDULING),
    elsewhere("preemptionPolicy", _SCHEDULING),
    honoured("hostAliases", "in /etc/hosts, after the node's own lines; not with mpi-flags", _NAMES),
    honoured("hostAliases.ip", "the address", _NAMES),
    honoured("hostAliases.hostnames", "its names", _NAMES),
    elsewhere("readinessGates", "Kubernetes' controllers set and read these conditions"),
    ignored("runtimeClassName", "the site's container runtime is used"),
    elsewhere("enableServiceLinks", "interLink adds the variables of services"),
    honoured("overhead", "added to the cores and memory that the job asks for", _RESOURCES),
    honoured("os", "as follows", "integration/test_pod_fields.py"),
    refused("os.name", "compute nodes run Linux", "linux"),
    ignored("hostUsers", "a job has the user namespace that the container runtime makes", True),
    refused("resourceClaims", "ask for GPUs by resources.limits"),
    honoured("resources", "what the job asks for, in place of what its containers come to", _RESOURCES),
    honoured("resources.limits", "cores and memory of the whole job", _RESOURCES),
    honoured("resources.requests", "where there is no limit; never less than the containers' own limits", _RESOURCES),
    refused("resources.claims", "ask for GPUs by the containers' resources.limits"),
    elsewhere("evictionResponders", "evictions are Kubernetes' own, and end here as a deletion"),
)  # fmt: skip

_METADATA = "Kubernetes' own bookkeeping"
ENTRIES: tuple[Entry, ...] = (
    elsewhere("kind", "Pod"),
    elsewhere("apiVersion", "v1"),
    elsewhere("status", "what the sidecar itself has answered before"),
    honoured("metadata.name", "part of the job's name", "e2e/test_pods.py"),
    honoured("metadata.namespace", "part of the pod's directory", "e2e/test_pods.py"),
    honoured("metadata.uid", "names the pod in everything", "e2e/test_exactly_once.py"),
    honoured("metadata.labels", "available to the downward API", _VALUES),
    honoured("metadata.annotations", "those of slurm-job.vk.io/ and interlink.eu/", "unit/test_wire_options.py"),
    honoured("metadata.deletionGracePeriodSeconds", "replaces the pod's own at its deletion", "e2e/test_deletion.py"),
    *(elsewhere(f"metadata.{name}", _METADATA) for name in (
        "generateName", "selfLink", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "ownerReferences", "finalizers", "managedFields")),
    *at("spec", _SPEC),
)  # fmt: skip
"""All entries, in the order of the documentation."""

TABLE = tree(ENTRIES)
