"""Reading what jobs leave: reports, logs with their times, Slurm's own output file."""
