"""One container: its environment, its start, its restarts and its end."""
