"""The site's logins for image registries (``RegistryAuthFile``)."""

from __future__ import annotations

from pathlib import Path

from sidecar.domain import logins
from sidecar.domain.logins import Login
from sidecar.errors import JobFilesError


def of_site(file: Path | None, namespace: str) -> tuple[Login, ...]:
    """What the site has for pods of this namespace; nothing where there is no such file.

    :raises JobFilesError: the file cannot be read, or has another form
    """
    if file is None:
        return ()
    path = Path(str(file).replace("{namespace}", namespace))
    try:
        return logins.parse(path.read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise JobFilesError(f"RegistryAuthFile {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise JobFilesError(f"RegistryAuthFile {path}: {error}") from error
