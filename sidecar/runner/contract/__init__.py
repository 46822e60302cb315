"""What the daemon and the supervisor agree on: the pod's document, the facts of a report, file names, exit codes."""
