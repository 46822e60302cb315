"""``SlurmConfig.yaml`` and the environment, read once at start into one frozen, checked :class:`Settings`.

Nothing else in the program reads the environment.
"""

from sidecar.settings.loading import load
from sidecar.settings.model import Settings, Tracing
from sidecar.settings.reference import reference, render_reference
from sidecar.settings.tables import Taint

__all__ = ["Settings", "Taint", "Tracing", "load", "reference", "render_reference"]
