"""What a job is made of: the pod's directory, the batch script, the runner inside it, and reading what it left."""
