"""What came of a probe or a hook."""

from sidecar.runner.contract.facts import MAX_CHECK_BYTES


class Outcome:
    """Whether an action succeeded, and what it said."""

    def __init__(self, ok: bool, words: str = "") -> None:
        self.ok = ok
        self.words = words
        """Of a failure: the reason."""

    def __repr__(self) -> str:
        return f"Outcome({self.ok!r}, {self.words!r})"


class ActionFailed(Exception):
    """The action could not be carried out; the text is the reason, in one sentence."""


def no_answer(seconds: float) -> str:
    """Say that an action took longer than it may."""
    return f"no answer within {seconds:g} s"


def for_report(words: str) -> str:
    """The beginning of what an action said, short enough for a report."""
    return words.strip().encode("utf-8", "replace")[:MAX_CHECK_BYTES].decode("utf-8", "ignore")
