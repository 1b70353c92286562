"""Compiled plans, kept for as long as what they were made from stands unchanged."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from domain.event import PROPERTIES, set_item
from domain.facts import WorkflowFacts, channels_in_play
from domain.holder import DEFAULT_SET, Holder, HolderKind
from domain.plan import Plan, QuestionShape, compile_plan
from domain.question import ChannelRef
from projections.state import State
from services.evaluation.plan_answers import PlanAnswers
from services.evaluation.templates import Memory, PlanRenderer
from services.facts import Circle, SharedFacts, facts_of, shared_facts
from services.queries import Moment
from services.secrets import Secrets
from services.stream_reader import StreamReader

PLANS_MAX = 256

_NOBODY = Holder(HolderKind.USER)
"""Stands for the recipient when a plan is made: no set and no property belongs to it."""

SharedItem = tuple[bytes, str]


class PlanKey(NamedTuple):
    """What two questions must have in common to share a plan."""

    circle: Circle
    channels: tuple[ChannelRef, ...] | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan's answers, or word that there is no plan, with what it was made from."""

    shared: SharedFacts
    channels: tuple[ChannelRef, ...]
    answers: PlanAnswers | None
    environment_offset: int
    tenant_offsets: dict[SharedItem, int]
    """The tenants' items that it looked at, with the offset of the last record that changed each."""

    tenant_streams: tuple[bytes, ...]

    def fits(self, moment: Moment) -> bool:
        """Whether all that the plan was made from is the same at this moment."""
        return self.environment_offset == moment.environment_offset and (
            not self.tenant_streams or self.tenant_offsets == _offsets(moment.state, self.tenant_streams)
        )

    @property
    def workflow(self) -> WorkflowFacts | None:
        """The workflow, if the catalogue knows it."""
        return self.shared.workflow


class Plans:
    """The plans of one ledger, least recently used first out. For use from several threads."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._lock = Lock()
        self._plans: OrderedDict[PlanKey, Compiled] = OrderedDict()
        self._memory = Memory()

    def standing(self, key: PlanKey, moment: Moment) -> Compiled:
        """A plan that fits this moment: one that was made before, if nothing that it was made from has changed."""
        with self._lock:
            compiled = self._plans.get(key)
            if compiled is not None:
                self._plans.move_to_end(key)
        if compiled is None or not compiled.fits(moment):
            compiled = self._compile(key, StreamReader(moment.state, self._secrets), moment.environment_offset)
            with self._lock:
                self._plans[key] = compiled
                if len(self._plans) > PLANS_MAX:
                    self._plans.popitem(last=False)
        return compiled

    def _compile(self, key: PlanKey, reader: StreamReader, environment_offset: int) -> Compiled:
        shared = shared_facts(reader, key.circle)
        channels = key.channels or channels_in_play(shared.workflow)
        facts = facts_of(reader, shared, key.circle, _NOBODY)
        shape = QuestionShape(key.circle.workflow, channels, key.circle.categories)
        chain = reader.tenant_chain(key.circle.tenant_id) if key.circle.tenant_id is not None else []
        streams = tuple(self._secrets.stream_key(holder) for holder in chain)
        return Compiled(
            shared=shared,
            channels=channels,
            answers=self._answers(key, channels, compile_plan(shape, facts), reader),
            environment_offset=environment_offset,
            tenant_offsets=_offsets(reader.state, streams),
            tenant_streams=streams,
        )

    def _answers(
        self, key: PlanKey, channels: Sequence[ChannelRef], plan: Plan | None, reader: StreamReader
    ) -> PlanAnswers | None:
        if plan is None:
            return None
        templates = self._memory.templates()
        return PlanAnswers(plan, PlanRenderer(channels, reader.reference, key.circle.tenant_id, templates), templates)


def _offsets(state: State, streams: tuple[bytes, ...]) -> dict[SharedItem, int]:
    offsets: dict[SharedItem, int] = {}
    for stream in streams:
        for item in TENANT_ITEMS:
            row = state.item(stream, item)
            if row is not None:
                offsets[stream, item] = row.offset
    return offsets


TENANT_ITEMS = (set_item(DEFAULT_SET), PROPERTIES)
