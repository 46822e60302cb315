"""The Slurm sidecar of interLink."""

__version__ = "0.1.0"
