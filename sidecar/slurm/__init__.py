"""Typed calls of sbatch, scancel, squeue, sacct and sinfo, and the parsers of what they print."""
