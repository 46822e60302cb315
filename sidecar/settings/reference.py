"""``docs/configuration.md``, written from the settings' own metadata.

A test compares the file with :func:`render_reference` and says how to write it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sidecar.settings.keys import Keys
from sidecar.settings.loading import DEFAULT_PATH, IGNORED_KEYS, IGNORED_VARIABLES, PATH_VARIABLE
from sidecar.settings.model import Tracing
from sidecar.settings.reading import Setting, settings_of
from sidecar.settings.tables import FLAVOR_KEYS, TAINT_KEYS

_INTRODUCTION = f"""\
# Configuration

The daemon reads one YAML file, once, at start: the one given with `--config`, else the one that `{PATH_VARIABLE}`
names, else `{DEFAULT_PATH}`. It is the file of interLink's Slurm plugin with the same keys and meanings;
[examples/SlurmConfig.yaml](../examples/SlurmConfig.yaml) is one that works.

- Values may be quoted or not. An empty value (`""`, `[]`) means the default.
- An environment variable wins over the file; an empty one counts as not set.
- In paths and programs `$VAR`, `${{VAR}}`, `${{VAR:-fallback}}` and a leading `~` are expanded; a path that does not
  begin with `/` begins at the daemon's home directory.
- Unknown keys, repeated keys and wrong values stop the start, all listed at once with their lines.
"""
_FLAVORS = """
## Flavors

A map from the name that the annotation `slurm-job.vk.io/flavor` uses to:
"""
_DEVICES = """
## ExtendedResources

A map from the name of a Kubernetes resource to one item of `--gres` or `--licenses`, in which `{count}` stands for how
many the pod asks for:

```yaml
ExtendedResources:
  nvidia.com/gpu: "--gres=gpu:a100:{count}"
  nvidia.com/mig-1g.5gb: "--gres=gpu:1g.5gb:{count}"
  vendor.com/fpga: "--gres=fpga:{count}"
```

`nvidia.com/gpu` and `amd.com/gpu` are `--gres=gpu:{count}` where they have no entry. A flag of the flavor or of the pod
that names the same generic resource counts instead, and the pod's history says so where the numbers differ.
"""
_TAINTS = """
## Taints

A list; each taint has these keys, which may also be written in lower case:
"""
_TRACING = """
## Tracing

OpenTelemetry is set by the environment alone:
"""
_IGNORED = """
## Accepted and unused

These are read without complaint, and the log says so once:

"""


def reference() -> list[Setting]:
    """Every setting of the file's first level and every variable, in the order of the documentation."""
    return [*settings_of(Keys).values(), *settings_of(Tracing).values()]


def render_reference() -> str:
    """The whole of ``docs/configuration.md``."""
    return "".join(
        [
            _INTRODUCTION,
            "\n## Keys\n",
            _table(settings_of(Keys).values()),
            _FLAVORS,
            _small_table(FLAVOR_KEYS),
            _DEVICES,
            _TAINTS,
            _small_table(TAINT_KEYS),
            _TRACING,
            _table(settings_of(Tracing).values()),
            _IGNORED,
            *(f"- `{name}`: {why}.\n" for name, why in {**IGNORED_KEYS, **IGNORED_VARIABLES}.items()),
        ]
    )


def _table(settings: Iterable[Setting]) -> str:
    return _markdown(
        ("key", "value", "default", "environment", "meaning"),
        ((_code(s.key), s.kind.name, _default(s), _code(s.environment), s.meaning) for s in settings),
    )


def _small_table(settings: Iterable[Setting]) -> str:
    return _markdown(("key", "value", "meaning"), ((_code(s.key), s.kind.name, s.meaning) for s in settings))


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _default(setting: Setting) -> str:
    if not setting.root_default:
        return _code(setting.default)
    return f"{_code(setting.default)}; as root {_code(setting.root_default)}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
