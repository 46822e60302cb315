"""What the daemon puts into the data folder for jobs: directories, scripts, the supervisor, bells, images."""
