"""The machine's users, and files that others may have put there."""
