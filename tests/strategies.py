"""What hypothesis draws pods' histories from."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from sidecar.domain import events as ev
from sidecar.domain.events import ContainerRef, Event
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.domain.projection import apply, begin
from sidecar.domain.state import PodState
from sidecar.errors import IllegalTransition
from tests.factories import NOON, UID, accepted

CONTAINERS = (
    ContainerRef(name="setup", role=ContainerRole.INIT, image="a:1"),
    ContainerRef(name="side", role=ContainerRole.SIDECAR, image="e:1"),
    ContainerRef(name="fetch", role=ContainerRole.INIT, image="b:1"),
    ContainerRef(name="main", role=ContainerRole.MAIN, image="c:1"),
    ContainerRef(name="helper", role=ContainerRole.MAIN, image="d:1"),
)
NAMES = st.sampled_from([c.name for c in CONTAINERS])
ATTEMPTS = st.integers(min_value=0, max_value=2)
CODES = st.sampled_from([0, 0, 1, 3, 128, 137, 143])
WORDS = st.sampled_from(["Priority", "Resources", "node1", "it says so"])
CHECKS = st.sampled_from(["liveness", "startup", "postStart", "preStop"])
POLICIES = st.sampled_from(RestartPolicy)

_ENDED = {"slurm_state": st.sampled_from(["COMPLETED", "FAILED", "TIMEOUT"]), "exit_code": CODES, "reason": WORDS}

CONTAINER_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(ev.ContainerStarted, container=NAMES, attempt=ATTEMPTS, started=st.booleans(), ready=st.booleans()),
    st.builds(ev.ContainerHealthChanged, container=NAMES, attempt=ATTEMPTS, started=st.booleans(), ready=st.booleans()),
    st.builds(ev.ContainerUnhealthy, container=NAMES, attempt=ATTEMPTS, check=CHECKS, message=WORDS),
    st.builds(ev.DeadlineExceeded, seconds=st.integers(1, 60)),
    st.builds(ev.ContainerTerminated, container=NAMES, attempt=ATTEMPTS, exit_code=CODES, reason=WORDS),
    st.builds(ev.ContainerRestarting, container=NAMES, attempt=ATTEMPTS, delay_seconds=st.just(10)),
    st.builds(ev.ImagePullFailed, container=NAMES, attempt=ATTEMPTS, message=WORDS),
    st.builds(
        ev.ImagePullBackOff, container=NAMES, attempt=ATTEMPTS, tries=st.integers(1, 3), delay_seconds=st.just(10)
    ),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    CONTAINER_EVENTS,
    st.builds(ev.SubmissionStarted, token=WORDS, job_name=WORDS),
    st.builds(ev.SubmissionDeferred, reason=WORDS),
    st.builds(ev.SubmissionFailed, reason=WORDS),
    st.builds(ev.JobSubmitted, job_id=st.just("7")),
    st.builds(ev.JobAdopted, job_id=st.just("8"), evidence=st.just("claim")),
    st.builds(ev.SurplusJobCancelled, job_id=st.just("9")),
    st.builds(ev.JobQueued, reason=WORDS),
    st.builds(ev.JobStarted, nodes=WORDS),
    st.builds(ev.JobSucceeded, **_ENDED),
    st.builds(ev.JobFailed, **_ENDED),
    st.builds(ev.JobCancelled, **_ENDED),
    st.just(ev.JobUsageRecorded(elapsed_seconds=4)),
    st.builds(ev.EvidenceMissing, detail=WORDS),
    st.builds(ev.DeletionRequested, grace_seconds=st.just(30)),
    st.builds(ev.CancellationSent, signal=st.just("TERM")),
    st.just(ev.FilesRemoved()),
)
FACTS = st.lists(
    st.tuples(CONTAINER_EVENTS, st.integers(2, 60).map(lambda s: NOON + timedelta(seconds=s))), max_size=12
)


@st.composite
def histories(draw: st.DrawFn, *, start: tuple[Event, ...] = (), max_size: int = 25) -> list[Event]:
    """Legal histories: random events, of which those that the lifecycle refuses are left out."""
    history: list[Event] = [accepted(*CONTAINERS, restart_policy=draw(POLICIES)), *start]
    state = _fold(history)
    for event in draw(st.lists(EVENTS, max_size=max_size)):
        try:
            state = apply(state, event, NOON + timedelta(seconds=len(history)))
        except IllegalTransition:
            continue
        history.append(event)
    return history


@st.composite
def reported(draw: st.DrawFn) -> list[Event]:
    """What a runner that keeps to its rules writes about one job: init containers in order, then the mains, and last
    of all the ends of native sidecars."""
    policy = draw(POLICIES)
    facts: list[Event] = []
    sidecars: list[Event] = []
    for container in CONTAINERS:
        if container.role is ContainerRole.SIDECAR:
            sidecars = _start_sidecar(draw, facts, container.name) + sidecars
            continue
        code = _run_one(draw, facts, container.name, policy)
        if container.role is ContainerRole.INIT and code:
            break
    facts += sidecars
    if draw(st.booleans()):
        facts.insert(draw(st.integers(0, len(facts))), ev.DeadlineExceeded(seconds=5))
    return facts[: draw(st.integers(0, len(facts)))] if draw(st.booleans()) else facts


def _start_sidecar(draw: st.DrawFn, facts: list[Event], name: str) -> list[Event]:
    """Add its start, perhaps with a probe, perhaps after a fall; return its end."""
    attempt = 0
    if draw(st.booleans()):
        facts += [
            ev.ContainerStarted(container=name, attempt=0),
            ev.ContainerTerminated(container=name, attempt=0, exit_code=draw(CODES), reason="as it is"),
            ev.ContainerRestarting(container=name, attempt=1, delay_seconds=10),
        ]
        attempt = 1
    probed = draw(st.booleans())
    facts.append(ev.ContainerStarted(container=name, attempt=attempt, started=not probed, ready=not probed))
    if probed:
        facts.append(ev.ContainerHealthChanged(container=name, attempt=attempt, started=True, ready=True))
    return [ev.ContainerTerminated(container=name, attempt=attempt, exit_code=draw(CODES), reason="as it is")]


def _run_one(draw: st.DrawFn, facts: list[Event], name: str, policy: RestartPolicy) -> int:
    for attempt in range(3):
        code = draw(CODES)
        if draw(st.sampled_from([True, True, True, False])):
            facts.append(ev.ContainerStarted(container=name, attempt=attempt))
        else:
            code = 128
            facts.append(ev.ImagePullFailed(container=name, attempt=attempt, message="manifest unknown"))
        facts.append(ev.ContainerTerminated(container=name, attempt=attempt, exit_code=code, reason="as it is"))
        if policy is RestartPolicy.NEVER or not code or attempt == 2:
            return code
        facts.append(ev.ContainerRestarting(container=name, attempt=attempt + 1, delay_seconds=10))
    return 0


def _fold(history: list[Event]) -> PodState:
    state = begin(UID, history[0], NOON)
    for second, event in enumerate(history[1:], start=1):
        state = apply(state, event, NOON + timedelta(seconds=second))
    return state
