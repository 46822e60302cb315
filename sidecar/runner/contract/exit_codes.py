"""Exit codes that the supervisor itself gives a job or a container."""

CANNOT_RUN = 128
"""Nothing of the container ran: no image, no mount, no such program."""
KILLED = 137
"""128 + SIGKILL."""
TERMINATED = 143
"""128 + SIGTERM."""
TRY_LATER = 75
"""A pull that may well succeed later (``EX_TEMPFAIL`` of sysexits.h)."""
