"""The settings of one daemon."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.domain.plan import SitePolicy
from sidecar.domain.users import UserPolicy
from sidecar.settings import kinds
from sidecar.settings.keys import Keys
from sidecar.settings.reading import variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """OpenTelemetry, set by the environment alone, with the plugin's variables."""

    enabled: bool = field(metadata=variable("ENABLE_TRACING", kinds.FLAG, "Send traces.", "false"))
    endpoint: str = field(
        metadata=variable("TELEMETRY_ENDPOINT", kinds.LINE, "The collector, OTLP over gRPC.", "localhost:4317")
    )
    unique_id: str = field(metadata=variable("TELEMETRY_UNIQUE_ID", kinds.LINE, "Name of this instance in the traces."))
    ca_crt_path: Path | None = field(
        metadata=variable("TELEMETRY_CA_CRT_FILEPATH", kinds.PATH, "CA of the collector's certificate; turns TLS on.")
    )
    client_key_path: Path | None = field(
        metadata=variable("TELEMETRY_CLIENT_KEY_FILEPATH", kinds.PATH, "Our own key, for mutual TLS.")
    )
    client_crt_path: Path | None = field(
        metadata=variable("TELEMETRY_CLIENT_CRT_FILEPATH", kinds.PATH, "Our own certificate, for mutual TLS.")
    )
    insecure_skip_verify: bool = field(
        metadata=variable(
            "TELEMETRY_INSECURE_SKIP_VERIFY", kinds.FLAG, "Take any certificate of the collector.", "false"
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Keys):
    """Everything the site decides, read once at start."""

    tracing: Tracing
    config_path: Path
    """The file that was read."""
    remarks: tuple[str, ...]
    """Sentences for the log, once, at start."""
    uid: int
    """The user the daemon runs as."""

    @property
    def log_level(self) -> str:
        """``debug``, ``info`` or ``error``."""
        if self.verbose_logging:
            return "debug"
        return "error" if self.errors_only_logging else "info"

    @property
    def users(self) -> UserPolicy:
        """Whose jobs the daemon may submit."""
        return UserPolicy(
            own_uid=self.uid, own_gid=os.getgid(), default_uid=self.default_uid, allowed=self.allowed_uids
        )

    @property
    def runs_enroot(self) -> bool:
        """Enroot in the place of Apptainer."""
        return self.container_runtime == "enroot"

    @property
    def runtime_program(self) -> str:
        """The container runtime on the compute nodes."""
        return self.enroot_path if self.runs_enroot else self.singularity_path

    @property
    def policy(self) -> SitePolicy:
        """The part of the settings that decides about pods."""
        return SitePolicy(
            flavors=self.flavors,
            default_flavor=self.default_flavor,
            users=self.users,
            default_cpu=self.default_cpu,
            default_memory_bytes=self.default_memory,
            image_prefix=self.image_prefix,
            export_pod_data=self.export_pod_data,
            enable_probes=self.enable_probes,
            allowed_host_paths=self.allowed_host_paths,
            protected_paths=self._protected_paths(),
            persistent_volume_claims=self.persistent_volume_claims,
            default_namespace=self.namespace,
            runtime=self.container_runtime,
            runtime_options=self.enroot_default_options if self.runs_enroot else self.singularity_default_options,
            allow_pre_exec=self.allow_pre_exec,
            writable_root=self.writable_root_filesystem,
            extended_resources=self.extended_resources,
            extra_sbatch_options=self.extra_sbatch_options,
        )

    def _protected_paths(self) -> tuple[str, ...]:
        """As written and with symbolic links resolved: a pod may come either way."""
        ours = [self.data_root_folder, self.database_path.parent, self.config_path]
        if self.registry_auth_file:
            ours.append(Path(str(self.registry_auth_file).partition("{namespace}")[0].rstrip("/")))
        return tuple(dict.fromkeys(str(way) for path in ours for way in (path, os.path.realpath(path))))
