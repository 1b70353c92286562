"""The evaluator of one ledger: questions in, answers out, each from one read transaction.

Two ways lead to the same answer. A compiled plan answers what is plain; whatever a plan can't tell with certainty (an
explained question, the past, a condition in play...) goes through the full evaluator, in the same transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from domain.evaluation import evaluate
from domain.facts import channels_in_play
from domain.holder import Holder, parse_holder
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.question import ChannelRef, Question
from projections.history import actor_and_method
from projections.position import instant_text, parse_position
from projections.stored_item import EMPTY, EventReference, decode_item
from services.evaluation.asked import Asked, parse_recipient
from services.evaluation.hot import HotPath, is_plain_user
from services.evaluation.own_sets import OwnSets, own_sets
from services.evaluation.plans import Compiled, PlanKey, Plans
from services.evaluation.rendering import decision_text, text_of
from services.facts import SharedFacts, facts_of, shared_facts
from services.identifiers import new_decision_id
from services.ledger import Ledger
from services.queries import Moment, Queries
from services.stream_reader import StreamReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: OwnSets = (b"", None, None, None)

Results = tuple[list[str], str]
"""The results as JSON objects, and the members that close an answer."""


class Evaluator:
    """Answers evaluations of one ledger."""

    def __init__(self, ledger: Ledger, queries: Queries) -> None:
        self._ledger = ledger
        self._queries = queries
        self._plans = Plans(ledger.secrets)
        self.hot = HotPath(ledger, queries, self._plans)
        """Tried first for a single question."""

    async def one(self, asked: Asked, recipient: Holder, body_bytes: int) -> bytes:
        """The answer for one recipient; `body_bytes` is the length of the question. Raises ServiceError, Invalid."""
        function = partial(self._results, asked=asked, names=[str(recipient)], at_milliseconds=_instant(asked))
        if asked.is_quick(body_bytes):
            # A few point reads: a hop to another thread would cost more than all of it.
            results, closing = await self._queries.ask_now(asked.when, function)
        else:
            results, closing = await self._queries.ask(asked.when, function)
        return f"{results[0][:-1]},{closing},{self._stale()}}}".encode()

    async def many(self, asked: Asked, recipients: Sequence[JsonValue], describe: Callable[[Invalid], JsonValue]) -> bytes:
        """The answer for many. One that can't be understood has what `describe` says in its place.

        Raises ServiceError, and Invalid for more decisions than one request may ask for.
        """
        names: list[str] = []
        problems: dict[int, str] = {}
        for at, recipient in enumerate(recipients):
            try:
                # A batch works with names: most need no closer look, and none needs a holder unless a plan declines.
                is_plain = isinstance(recipient, str) and is_plain_user(recipient)
                names.append(str(recipient) if is_plain else str(parse_recipient(recipient, f"/recipients/{at}")))
            except Invalid as error:
                problems[at] = text_of({"recipient": recipient, "problem": describe(error)})
        function = partial(self._results, asked=asked, names=names, at_milliseconds=_instant(asked))
        results, closing = await self._queries.ask(asked.when, function)
        if problems:
            answered = iter(results)
            results = [problems[at] if at in problems else next(answered) for at in range(len(recipients))]
        return f'{{"results":[{",".join(results)}],{closing},{self._stale()}}}'.encode()

    def _results(
        self,
        connection: sqlite3.Connection,
        moment: Moment,
        *,
        asked: Asked,
        names: Sequence[str],
        at_milliseconds: int,
    ) -> Results:
        full = _Full(connection, moment, self._ledger, asked, at_milliseconds)
        if asked.is_plain:
            compiled = self._plans.standing(PlanKey(asked.circle, asked.channels), moment)
            known = compiled.workflow is not None
            asked.check_decisions(len(names), len(compiled.channels))
            results = _by_plan(connection, compiled, self._ledger, asked, names, full)
        else:
            known = full.shared.workflow is not None
            asked.check_decisions(len(names), len(full.channels))
            results = [full.result(name) for name in names]
        return results, _closing(asked, known, moment, at_milliseconds)

    def _stale(self) -> str:
        return f'"stale_seconds":{text_of(self._ledger.readiness.stale_seconds())}'


def _instant(asked: Asked) -> int:
    return time.time_ns() // 1_000_000 if asked.at_milliseconds is None else asked.at_milliseconds


def _closing(asked: Asked, workflow_known: bool, moment: Moment, at_milliseconds: int) -> str:
    known = "true" if workflow_known else "false"
    settled = "" if moment.settled is None else f',"settled":{text_of(moment.settled)}'
    return (
        f'"workflow":{text_of(asked.circle.workflow)},"workflow_known":{known},"position":"{moment.position}"{settled},'
        f'"evaluated_at":"{instant_text(at_milliseconds)}","decision_id":"{new_decision_id(time.time_ns() // 1_000_000)}"'
    )


def _by_plan(
    connection: sqlite3.Connection,
    compiled: Compiled,
    ledger: Ledger,
    asked: Asked,
    names: Sequence[str],
    full: "_Full",
) -> list[str]:
    plan, text = compiled.plan, compiled.renderer.text
    if plan is None:
        return [full.result(name) for name in names]
    decide = plan.decide
    streams = list(map(ledger.secrets.stream_key_of, names))
    owned = own_sets(connection, streams, asked.circle.tenant_id)
    results: list[str] = []
    for name, stream in zip(names, streams, strict=True):
        _, default_body, tenant_body, suppression = owned.get(stream) or _NOTHING
        default = EMPTY if default_body is None else decode_item(default_body)
        in_tenant = EMPTY if tenant_body is None else decode_item(tenant_body)
        decisions = decide(default.leaves, in_tenant.leaves) if suppression is None else None
        if decisions is None:
            results.append(full.result(name))
            continue
        holder = text_of(name)
        results.append(f'{{"recipient":{holder},"decisions":[{text(decisions, holder, default, in_tenant)}]}}')
    return results


class _Full:
    """The full evaluator over one moment. What the recipients share is read once, and only when it is needed."""

    def __init__(
        self, connection: sqlite3.Connection, moment: Moment, ledger: Ledger, asked: Asked, at_milliseconds: int
    ) -> None:
        self._connection = connection
        self._reader = StreamReader(moment.state, ledger.secrets)
        self._asked = asked
        self._at = _EPOCH + timedelta(milliseconds=at_milliseconds)

    @cached_property
    def shared(self) -> SharedFacts:
        """What is the same for every recipient."""
        return shared_facts(self._reader, self._asked.circle)

    @cached_property
    def channels(self) -> tuple[ChannelRef, ...]:
        """The channels of every decision, in order."""
        return self._asked.channels or channels_in_play(self.shared.workflow)

    def result(self, name: str) -> str:
        """One recipient's result as a JSON object."""
        asked, recipient = self._asked, parse_holder(name)
        facts = facts_of(self._reader, self.shared, asked.circle, recipient)
        question = Question(
            recipient=recipient,
            workflow=asked.circle.workflow,
            channels=self.channels,
            at=self._at,
            categories=asked.circle.categories,
            data=asked.data,
            actor=asked.actor,
        )
        detail = self._detail if asked.explain else None
        texts = [decision_text(decision, self._reader.reference, detail) for decision in evaluate(question, facts)]
        return f'{{"recipient":{text_of(name)},"decisions":[{",".join(texts)}]}}'

    def _detail(self, reference: EventReference) -> tuple[str | None, str | None]:
        return actor_and_method(self._connection, parse_position(reference[1]).offset)
