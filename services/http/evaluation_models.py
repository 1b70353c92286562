"""The shapes of evaluations' answers, for the OpenAPI document."""

from domain.reason import Reason
from domain.trace import Verdict
from services.http.models import FreshAnswer, Json, Problem, Shape, absent


class DecidedBy(Shape):
    """The leaf that decided, and the event that gave it its value."""

    holder: str
    set: str
    path: str
    event_id: str
    position: str
    recorded_at: str
    actor: str | None = absent("With `explain`.")
    method: str | None = absent("With `explain`.")


class TraceEntry(Shape):
    """One thing that was looked at."""

    verdict: Verdict
    layer: str = absent()
    holder: str = absent()
    set: str = absent()
    path: str = absent()
    value: Json = absent()
    reason: Reason = absent()
    detail: str = absent()


class Decision(Shape):
    """One channel's decision."""

    channel_type: str
    channel: str = absent()
    deliver: bool
    reason: Reason
    decided_by: DecidedBy | None
    digest: str = absent("The id of the schedule on which to gather messages.")
    trace: list[TraceEntry] = absent("With `explain`: every layer and rule looked at, in order.")


class Evaluated(FreshAnswer):
    """What every evaluation says of itself."""

    workflow: str
    workflow_known: bool
    evaluated_at: str
    decision_id: str


class EvaluationAnswer(Evaluated):
    """An evaluation's answer."""

    recipient: str
    decisions: list[Decision]


class BatchResult(Shape):
    """One recipient's decisions; or the recipient as it was sent, and why it can't be understood."""

    recipient: Json
    decisions: list[Decision] = absent()
    problem: Problem = absent()


class BatchAnswer(Evaluated):
    """One result a recipient, in order."""

    results: list[BatchResult]


class RunAnswer(Shape):
    """A trigger that came in through a dialect, and what was decided for it."""

    workflow_run_id: str
    sent: bool
    question: dict[str, Json]
    evaluation: BatchAnswer
