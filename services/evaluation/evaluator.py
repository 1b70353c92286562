"""The evaluator of one ledger: questions in, answers out, each from one read transaction.

Two ways lead to the same answer. A compiled plan answers what is plain; whatever a plan can't tell with certainty (an
explained question, the past, a condition in play...) goes through the full evaluator, in the same transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from json.encoder import encode_basestring

from domain.evaluation import evaluate
from domain.facts import channels_in_play
from domain.holder import Holder, parse_holder
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.question import ChannelRef, Question
from projections.history import actor_and_method
from projections.own_items import HAS_SUPPRESSION
from projections.position import instant_text, parse_position
from projections.stored_item import EventReference
from services.evaluation.asked import Asked, parse_recipient
from services.evaluation.hot import HotPath
from services.evaluation.own_sets import own_rows, sets_in_tenant
from services.evaluation.plain_names import plain_names
from services.evaluation.plans import Compiled, PlanKey, Plans
from services.evaluation.rendering import decision_text, text_of
from services.facts import SharedFacts, facts_of, shared_facts
from services.identifiers import new_decision_id
from services.ledger import Ledger
from services.queries import Moment, Queries
from services.stream_reader import StreamReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Results = tuple[list[bytes], str]
"""The results as JSON objects without their closing braces, and the members that close an answer."""


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
        return b"".join((results[0], f",{closing},{self._stale()}}}".encode()))

    async def many(self, asked: Asked, recipients: Sequence[JsonValue], describe: Callable[[Invalid], JsonValue]) -> bytes:
        """The answer for many. One that can't be understood has what `describe` says in its place.

        Raises ServiceError, and Invalid for more decisions than one request may ask for.
        """
        # A batch works with names: none needs a holder unless a plan declines.
        names, problems = plain_names(recipients), dict[int, bytes]()
        if names is None:
            names, problems = _names_of(recipients, describe)
        function = partial(self._results, asked=asked, names=names, at_milliseconds=_instant(asked))
        results, closing = await self._queries.ask(asked.when, function)
        if problems:
            answered = iter(results)
            results = [problems[at] if at in problems else next(answered) for at in range(len(recipients))]
        # Joined once: a batch's answer is more than a megabyte.
        results[0] = b'{"results":[' + results[0]
        results[-1] += f"}}],{closing},{self._stale()}}}".encode()
        return b"},".join(results)

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


def _names_of(
    recipients: Sequence[JsonValue], describe: Callable[[Invalid], JsonValue]
) -> tuple[list[str], dict[int, bytes]]:
    """The names of those that can be understood, and what is said of the others, by their place."""
    names: list[str] = []
    problems: dict[int, bytes] = {}
    for at, recipient in enumerate(recipients):
        try:
            names.append(str(parse_recipient(recipient, f"/recipients/{at}")))
        except Invalid as error:
            problems[at] = text_of({"recipient": recipient, "problem": describe(error)})[:-1].encode()
    return names, problems


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
) -> list[bytes]:
    if compiled.answers is None:
        return [full.result(name) for name in names]
    of_usual_set, of_sets = compiled.answers.of_usual_set, compiled.answers.of_sets
    streams = ledger.secrets.stream_keys_of([name.encode() for name in names])
    rows = own_rows(connection, streams)
    in_tenant_of = sets_in_tenant(connection, rows, asked.circle.tenant_id)
    results: list[bytes] = []
    for name, (stream, own_items, own_default) in zip(names, rows, strict=True):
        recipient = encode_basestring(name).encode()
        if not own_items:
            answer = of_usual_set(recipient, own_default)
        elif own_items & HAS_SUPPRESSION:
            answer = None  # What it means is not for a plan.
        else:
            answer = of_sets(recipient, own_default, in_tenant_of.get(stream))
        results.append(answer if answer is not None else full.result(name))
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

    def result(self, name: str) -> bytes:
        """One recipient's result: a JSON object without its closing brace."""
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
        return f'{{"recipient":{text_of(name)},"decisions":[{",".join(texts)}]'.encode()

    def _detail(self, reference: EventReference) -> tuple[str | None, str | None]:
        return actor_and_method(self._connection, parse_position(reference[1]).offset)
