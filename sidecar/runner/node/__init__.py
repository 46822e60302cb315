"""What a pod's containers get of the node they run on: mounts, names, addresses, devices, ways out of the node."""
