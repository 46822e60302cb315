"""What touches the kernel: waiting, processes, namespaces, control groups."""
