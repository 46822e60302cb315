"""The supervisor: the one program that runs a pod's containers on a compute node.

It needs nothing but a Python of 3.6 or newer, and imports nothing of the daemon. Both sides agree on ``contract``.
"""
