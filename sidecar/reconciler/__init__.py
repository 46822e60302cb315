"""Keeping what we know about pods true to what Slurm and the jobs' own reports say."""
