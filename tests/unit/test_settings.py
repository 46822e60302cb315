"""What a site's configuration file and environment come to mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.domain.flags import Flag
from sidecar.domain.plan import Flavor
from sidecar.settings import Settings, Taint, Tracing, load, reference

PLUGIN_FILE = """\
SidecarPort: "4000"
Socket: ""
SbatchPath: "/opt/slurm/bin/sbatch"
CommandPrefix: "module load apptainer"
SingularityDefaultOptions: []
EnrootDefaultOptions: ["--rw"]
DataRootFolder: "interlink/jobs/"
Tsocks: "false"
TsocksPath: "$NOT_SET/libtsocks.so"
TsocksLoginNode: "login"
VerboseLogging: true
DefaultFlavor: "gpu-nvidia"
Flavors:
  gpu-nvidia:
    Description: "GPU job"
    CPUDefault: 4
    MemoryDefault: "32G"
    SlurmFlags: ["--gres=gpu:1", "-p gpu"]
"""
"""What sites of the plugin have, with its habits: quotes, empty values, a path with a variable that nobody sets."""

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a configuration with this text as user 1000, whose home is /home/site, with these variables."""

    def read(
        text: str = "", *, uid: int = 1000, verbose: bool = False, errors_only: bool = False, **env: str
    ) -> Settings:
        path = tmp_path / "SlurmConfig.yaml"
        path.write_text(text, "utf-8")
        return load(path, {"HOME": "/home/site", **env}, verbose=verbose, errors_only=errors_only, uid=uid)

    return read


def test_a_file_of_the_plugin_is_read_without_a_remark(read: Read) -> None:
    settings = read(PLUGIN_FILE)

    assert settings.remarks == ()
    assert settings.sidecar_port == 4000
    assert settings.socket is None
    assert settings.sbatch_path == "/opt/slurm/bin/sbatch"
    assert settings.data_root_folder == Path("/home/site/interlink/jobs")
    assert settings.log_level == "debug"
    assert settings.flavors == {
        "gpu-nvidia": Flavor(
            name="gpu-nvidia",
            description="GPU job",
            cpu_default=4,
            memory_default_bytes=32 * 2**30,
            slurm_flags=("--gres=gpu:1", "-p", "gpu"),
        )
    }


def test_an_empty_file_gives_the_defaults(read: Read) -> None:
    settings = read("")

    assert (settings.listen_address, settings.sidecar_port) == ("127.0.0.1", 4000)
    assert settings.sacct_path == "sacct"
    assert settings.singularity_default_options == ("--no-eval", "--containall")
    assert settings.shared_fs
    assert settings.export_pod_data
    assert settings.allow_pre_exec
    assert settings.enable_probes
    assert settings.database_path == Path("/home/site/.local/state/slurm-sidecar/sidecar.db")
    assert settings.database_journal_mode == "wal"
    assert (settings.reconcile_interval, settings.slurm_timeout) == (5.0, 60.0)
    assert settings.log_level == "info"
    assert (settings.default_cpu, settings.default_memory, settings.default_uid) == (None, None, None)


def test_empty_values_mean_the_defaults_too(read: Read) -> None:
    text = "".join(f"{setting.key}: ''\n" for setting in reference() if setting.key)

    assert read(text) == read("")


def test_values_may_be_quoted_or_not(read: Read) -> None:
    plain = read("SidecarPort: 4001\nTsocks: false\nExportPodData: no\nDefaultCPU: 2\nReconcileInterval: 1.5")
    quoted = read(
        "SidecarPort: '4001'\nTsocks: 'false'\nExportPodData: 'no'\nDefaultCPU: '2'\nReconcileInterval: '1.5'"
    )

    assert plain == quoted
    assert plain.reconcile_interval == 1.5


def test_the_environment_wins_over_the_file_unless_it_is_empty(read: Read) -> None:
    settings = read(
        "SidecarPort: 4000\nSbatchPath: /a\nSqueuePath: /b", SIDECARPORT="4001", SBATCHPATH="", SQUEUEPATH="/c"
    )

    assert (settings.sidecar_port, settings.sbatch_path, settings.squeue_path) == (4001, "/a", "/c")


def test_every_documented_variable_reaches_its_field(read: Read) -> None:
    text = {"SIDECARPORT": "1", "SHARED_FS": "false", "TSOCKS": "false", "ENABLE_TRACING": "1"}
    environ = {s.environment: text.get(s.environment, "/x/y") for s in reference() if s.environment}
    environ["TELEMETRY_INSECURE_SKIP_VERIFY"] = "true"

    settings = read("", **environ)

    assert (settings.sidecar_port, settings.shared_fs, settings.search_path) == (1, False, "/x/y")
    assert {settings.sinfo_path, settings.scancel_path, settings.sacct_path, settings.singularity_path} == {"/x/y"}
    assert settings.tracing == Tracing(
        enabled=True,
        endpoint="/x/y",
        unique_id="/x/y",
        ca_crt_path=Path("/x/y"),
        client_key_path=Path("/x/y"),
        client_crt_path=Path("/x/y"),
        insecure_skip_verify=True,
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("jobs", "/home/site/jobs"),
        ("~/jobs", "/home/site/jobs"),
        ("$WORK/jobs", "/lustre/jobs"),
        ("${WORK}/a/../jobs/", "/lustre/jobs"),
        ("${NOT_SET:-~/deep}/jobs", "/home/site/deep/jobs"),
        ("/srv/a$", "/srv/a$"),
    ],
)
def test_variables_and_the_home_directory_are_expanded_in_paths(read: Read, written: str, meant: str) -> None:
    assert read(f"DataRootFolder: '{written}'", WORK="/lustre").data_root_folder == Path(meant)


@pytest.mark.parametrize(
    ("written", "in_bytes"),
    [("16G", 2**34), ("32000M", 32000 * 2**20), ("1024", 2**30), ("2gb", 2**31), ("1 TiB", 2**40), ("0", None)],
)
def test_memory_has_a_unit_or_is_in_mib(read: Read, written: str, in_bytes: int | None) -> None:
    assert read(f"DefaultMemory: {written}").default_memory == in_bytes


def test_a_containers_log_has_a_large_limit_unless_the_site_says_otherwise(read: Read) -> None:
    usual, own = read(""), read("ContainerLogMaxSize: 500M\nContainerLogMaxFiles: 5\n")
    off = read("ContainerLogMaxSize: 0\n")

    assert (usual.container_log_max_size, usual.container_log_max_files) == (10 * 2**30, 2)
    assert (own.container_log_max_size, own.container_log_max_files) == (500_000_000, 5)
    assert off.container_log_max_size == 0


def test_the_database_lives_where_the_user_keeps_state(read: Read) -> None:
    assert read("", uid=0).database_path == Path("/var/lib/slurm-sidecar/sidecar.db")
    assert read("", XDG_STATE_HOME="/state").database_path == Path("/state/slurm-sidecar/sidecar.db")
    assert read("DatabasePath: /db/x.db", uid=0).database_path == Path("/db/x.db")


@pytest.mark.parametrize("written", ["unix:///run/sidecar.sock", "/run/sidecar.sock"])
def test_a_socket_may_be_written_as_a_url(read: Read, written: str) -> None:
    assert read(f"Socket: {written}").socket == Path("/run/sidecar.sock")


def test_options_are_split_into_words_as_a_shell_would(read: Read) -> None:
    settings = read("SingularityDefaultOptions: ['--bind /a:/b', \"--env 'X=1 2'\", --nv]")

    assert settings.singularity_default_options == ("--bind", "/a:/b", "--env", "X=1 2", "--nv")


def test_the_proxy_s_library_is_a_path_and_its_login_node_words_for_ssh(read: Read) -> None:
    settings = read("Tsocks: true\nTsocksPath: ~/libtsocks.so\nTsocksLoginNode: -p 2222 me@login")

    assert settings.tsocks_path == "/home/site/libtsocks.so"
    assert settings.tsocks_login_node == ("-p", "2222", "me@login")


@pytest.mark.parametrize(
    "spelling", ["{Key: a/b, Value: c, Effect: NoExecute}", "{key: a/b, value: c, effect: NoExecute}"]
)
def test_taints_are_read_in_the_plugins_and_in_kubernetes_spelling(read: Read, spelling: str) -> None:
    assert read(f"Taints: [{spelling}]").taints == (Taint(key="a/b", value="c", effect="NoExecute"),)


def test_devices_are_mapped_to_options_of_sbatch(read: Read) -> None:
    text = "ExtendedResources: {nvidia.com/mig-1g.5gb: '--gres=gpu:1g.5gb:{count}', a.com/b: '--licenses=b:{count}'}"

    assert read(text).policy.extended_resources == {
        "nvidia.com/mig-1g.5gb": Flag("gres", "gpu:1g.5gb:{count}"),
        "a.com/b": Flag("licenses", "b:{count}"),
    }


def test_a_flavor_whose_options_cannot_be_had_is_remarked(read: Read) -> None:
    flavors = "Flavors: {a: {SlurmFlags: ['--wrap=id']}, b: {SlurmFlags: ['--container-image x']}}"

    assert [remark.partition("Flavors.")[2].partition(":")[0] for remark in read(flavors).remarks] == ["a", "b"]
    assert len(read(f"{flavors}\nExtraSbatchOptions: [container-image]").remarks) == 1


def test_a_flavor_may_be_empty_or_build_on_another(read: Read) -> None:
    settings = read("Flavors:\n  a: &a {CPUDefault: 2, UID: 1000}\n  b: {<<: *a, CPUDefault: 4}\n  c:\n")

    assert settings.flavors == {
        "a": Flavor(name="a", cpu_default=2, uid=1000),
        "b": Flavor(name="b", cpu_default=4, uid=1000),
        "c": Flavor(name="c"),
    }


@pytest.mark.parametrize(
    ("text", "flags", "level"),
    [
        ("VerboseLogging: true\nErrorsOnlyLogging: true", {}, "debug"),
        ("ErrorsOnlyLogging: true", {}, "error"),
        ("ErrorsOnlyLogging: true", {"verbose": True}, "debug"),
        ("VerboseLogging: true", {"errors_only": True}, "error"),
        ("", {"verbose": True, "errors_only": True}, "debug"),
    ],
)
def test_the_command_line_decides_the_log_level_before_the_file(
    read: Read, text: str, flags: dict[str, bool], level: str
) -> None:
    settings = read(text, **flags)

    assert settings.log_level == level


def test_what_is_accepted_without_effect_is_remarked_once(read: Read) -> None:
    settings = read("VKConfigPath: /x\nSidecarURL: http://0.0.0.0", CUSTOMKUBECONF="/y")

    assert [remark.split(" is accepted")[0].split(": ")[1] for remark in settings.remarks] == [
        "VKConfigPath",
        "SidecarURL",
        "CUSTOMKUBECONF",
    ]


def test_an_open_address_is_remarked_unless_a_socket_replaces_it(read: Read) -> None:
    assert "no authentication" in read("ListenAddress: 0.0.0.0").remarks[0]
    assert read("ListenAddress: 0.0.0.0\nSocket: /run/s").remarks == ()
    assert read("ListenAddress: '::1'").remarks == ()


def test_claims_are_folders_by_name_or_by_namespace_and_name(read: Read) -> None:
    claims = {"data": "/home/site/data", "lab/my.data-1": "/cluster/x"}
    text = 'PersistentVolumeClaims: {data: "$HOME/data/", lab/my.data-1: /cluster/x}'

    assert read(text).policy.persistent_volume_claims == claims


def test_a_dollar_sign_in_the_runtimes_options_is_remarked(read: Read) -> None:
    assert "no shell expands it" in read("SingularityDefaultOptions: ['--bind=$SCRATCH']").remarks[0]


def test_the_policy_protects_the_sidecars_own_places_through_links_too(read: Read, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    settings = read(f"DataRootFolder: {tmp_path}/link\nDatabasePath: /db/x.db\nNamespace: vk\nDefaultMemory: 1G")

    assert settings.policy.protected_paths == (
        f"{tmp_path}/link",
        f"{tmp_path}/real",
        "/db",
        f"{tmp_path}/SlurmConfig.yaml",
    )
    assert settings.policy.default_namespace == "vk"
    assert settings.policy.default_memory_bytes == 2**30


def test_the_file_is_found_through_its_variable(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("Namespace: found")

    settings = load(None, {"SLURMCONFIGPATH": str(path), "HOME": "/"})

    assert (settings.namespace, settings.config_path) == ("found", path)


def test_a_daemon_that_runs_as_root_may_run_jobs_as_other_users(read: Read) -> None:
    settings = read("DefaultUID: 2000\nAllowedUIDs: ['1000-1999', 2500]\nSocket: /run/s", uid=0)

    assert settings.users.is_root
    assert settings.users.default_uid == 2000
    assert settings.users.allowed == (range(1000, 2000), range(2500, 2501))
    assert settings.remarks == ()


def test_a_port_that_leads_to_other_users_jobs_is_remarked(read: Read) -> None:
    assert "whoever reaches it can run jobs as DefaultUID" in read("DefaultUID: 2000", uid=0).remarks[0]
    assert "AllowedUIDs is unused" in read("AllowedUIDs: 5").remarks[0]
