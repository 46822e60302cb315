"""Two hundred pods created while the daemon is killed at random moments: ``scripts/campaign`` runs this.

pytest does not collect this file by itself, for it takes minutes.
"""

from __future__ import annotations

from tests.e2e.daemon import Daemon
from tests.e2e.kill9 import campaign


def test_kills_at_random_moments_during_two_hundred_creates_leave_one_job_each(own_daemon: Daemon) -> None:
    campaign(own_daemon, creates=200)
