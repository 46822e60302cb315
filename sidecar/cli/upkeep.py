"""``replay``: the pods' states against their events."""

from __future__ import annotations

from sidecar.bootstrap import open_database
from sidecar.cli.console import print_json, say
from sidecar.errors import StoreError
from sidecar.settings import Settings
from sidecar.store import journal, reading


def compare(settings: Settings, *, as_json: bool) -> int:
    """Say which pods' states are not what their events give; 1 when there are any."""
    with reading.read_only(settings.database_path) as session:
        different = sorted(journal.differences(session))
    if as_json:
        print_json({"different": different})
    elif different:
        say(f"{len(different)} states are not what their events give; stop the daemon and run 'slurm-sidecar replay'")
        for uid in different:
            say(uid)
    else:
        say("every state is what its events give")
    return 1 if different else 0


def rebuild(settings: Settings, *, as_json: bool) -> int:
    """Replace all states by what the events give; 1 when some were different.

    :raises AlreadyRunning: the daemon runs
    """
    if not settings.database_path.exists():
        raise StoreError(f"there is no database {settings.database_path}, so nothing to replay; see DatabasePath")
    with open_database(settings) as database, database.write() as session:
        different = sorted(journal.differences(session))
        count = journal.rebuild(session)
    if as_json:
        print_json({"rebuilt": count, "different": different})
    else:
        say(f"{count} states rebuilt from their events; {len(different)} of them were different")
        for uid in different:
            say(uid)
    return 1 if different else 0
