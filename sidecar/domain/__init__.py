"""What a pod is, what can happen to it and what follows: pure, without I/O and without a clock."""
