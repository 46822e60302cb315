"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# No test judges by the clock: machines that run tests are busy. A thorough search: HYPOTHESIS_PROFILE=thorough.
settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
