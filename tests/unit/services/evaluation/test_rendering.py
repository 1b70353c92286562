"""Decisions as text: JSON whatever the names hold, and the same whether a plan's renderer or the full one wrote it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation import Decision
from domain.plan_rule import ORIGIN_NOBODY, ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT, ORIGIN_SHARED, PlanDecision
from domain.question import ChannelRef
from domain.reason import Reason
from domain.trace import Source, TraceEntry, Verdict
from projections.stored_item import EMPTY, EventReference, StoredItem
from services.evaluation.rendering import decided_text, decision_text, text_of
from services.evaluation.templates import Memory, PlanRenderer

names = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12)
FIRST: EventReference = ("01890a5d-ac96-774b-bcce-b302099a8057", "A" * 31, "2026-03-03T14:02:00.000Z")
SECOND: EventReference = ("01890a5d-ac96-774b-bcce-b302099a8058", "B" * 31, "2026-03-03T14:03:00.000Z")


def stored(path: str, reference: EventReference) -> StoredItem:
    return StoredItem({path: False}, [], [reference])


@given(holder=names, set_name=names, path=names)
def test_who_decided_is_json_whatever_the_names_hold(holder: str, set_name: str, path: str) -> None:
    shown = json.loads(decided_text(holder, set_name, path, FIRST))
    assert shown == {
        "holder": holder, "set": set_name, "path": path, "event_id": FIRST[0], "position": FIRST[1], "recorded_at": FIRST[2],
    }  # fmt: skip


def full(channel: ChannelRef, source: Source | None, **more: Any) -> Decision:
    reason = Reason.DEFAULT_ALLOW if source is None else Reason.CHANNEL_TYPE_OPT_OUT
    given_: dict[str, Any] = {"digest": None, "trace": (), **more}
    return Decision(channel=channel, deliver=source is None, reason=reason, source=source, **given_)


@given(holder=names, path=names, channel_id=st.none() | names, tenant=names)
def test_a_plan_writes_what_the_full_evaluator_writes(holder: str, path: str, channel_id: str | None, tenant: str) -> None:
    channel = ChannelRef("email", channel_id)
    default, in_tenant = stored(path, FIRST), stored(path, SECOND)
    shared = Source("environment_default", "environment", "default", path)
    lookups = {"default": FIRST, f"tenant:{tenant}": SECOND}
    cases = [
        (PlanDecision(False, Reason.CHANNEL_TYPE_OPT_OUT, ORIGIN_OWN_DEFAULT, path, None),
         Source("own_default", holder, "default", path)),
        (PlanDecision(False, Reason.CHANNEL_TYPE_OPT_OUT, ORIGIN_OWN_IN_TENANT, path, None),
         Source("own_in_tenant", holder, f"tenant:{tenant}", path)),
        (PlanDecision(False, Reason.CHANNEL_TYPE_OPT_OUT, ORIGIN_SHARED, None, shared), shared),
        (PlanDecision(True, Reason.DEFAULT_ALLOW, ORIGIN_NOBODY, None, None), None),
    ]  # fmt: skip
    for planned, source in cases:
        renderer = PlanRenderer([channel], lambda found: lookups[found.set_name], tenant, Memory().templates())
        decisions = (planned,)
        expected = decision_text(full(channel, source), lambda found: lookups[found.set_name], None)
        for _ in range(2):  # The second time it is remembered.
            answer = renderer.template(decisions).of_sets(text_of(holder).encode(), default, in_tenant)
            assert answer.decode() == f'{{"recipient":{text_of(holder)},"decisions":[{expected}]'
        assert json.loads(expected)["deliver"] is planned.deliver


def test_what_is_remembered_of_one_recipient_is_not_said_of_another() -> None:
    renderer = PlanRenderer([ChannelRef("email")], lambda _: None, None, Memory().templates())
    decisions = (PlanDecision(False, Reason.CHANNEL_TYPE_OPT_OUT, ORIGIN_OWN_DEFAULT, "/channel_types/email", None),)
    for recipient, reference in (("user:a", FIRST), ("user:b", SECOND)):
        template = renderer.template(decisions)
        text = template.of_sets(f'"{recipient}"'.encode(), stored("/channel_types/email", reference), EMPTY)
        assert text == template.of_one_event(f'"{recipient}"'.encode(), reference)
        answer = json.loads(text + b"}")
        (decision,) = answer["decisions"]
        assert answer["recipient"] == decision["decided_by"]["holder"] == recipient
        assert decision["decided_by"]["event_id"] == reference[0]


@given(
    said=st.lists(st.sampled_from(["default", "in_tenant", "shared", "nobody"]), min_size=1, max_size=6),
    sources=st.lists(st.integers(0, 1), min_size=6, max_size=6),
)
def test_each_decision_names_the_event_of_its_own_leaf(said: list[str], sources: list[int]) -> None:
    """Many decisions in one text: of leaves that several events gave, in both sets, with others' words in between."""
    channels = [ChannelRef("email", str(number)) for number in range(len(said))]
    paths = [f"/channels/{number}" for number in range(6)]
    no = Reason.CHANNEL_TYPE_OPT_OUT
    shared = Source("environment_default", "environment", "default", "/channel_types/email")
    kinds = {
        "default": (False, no, ORIGIN_OWN_DEFAULT),
        "in_tenant": (False, no, ORIGIN_OWN_IN_TENANT),
        "shared": (False, no, ORIGIN_SHARED),
        "nobody": (True, Reason.DEFAULT_ALLOW, ORIGIN_NOBODY),
    }
    decisions = tuple(
        PlanDecision(*kinds[kind], path if kind in ("default", "in_tenant") else None, shared if kind == "shared" else None)
        for kind, path in zip(said, paths, strict=False)
    )
    default = StoredItem(dict.fromkeys(paths, False), sources, [FIRST, SECOND])
    in_tenant = StoredItem(dict.fromkeys(paths, False), [], [SECOND])
    renderer = PlanRenderer(channels, lambda _: FIRST, "acme", Memory().templates())
    for _ in range(2):
        shown = json.loads(renderer.template(decisions).of_sets(b'"user:a"', default, in_tenant) + b"}")["decisions"]
        for number, (kind, decision) in enumerate(zip(said, shown, strict=True)):
            expected = {"default": (FIRST, SECOND)[sources[number]][0], "in_tenant": SECOND[0], "shared": FIRST[0]}
            decided = decision["decided_by"]
            assert decision["channel"] == str(number)
            assert (decided and decided["event_id"]) == expected.get(kind)
            if kind in ("default", "in_tenant"):
                assert (decided["holder"], decided["path"]) == ("user:a", paths[number])


@given(actor=st.none() | names, method=st.none() | names, value=names)
def test_an_explained_decision_is_json_too(actor: str | None, method: str | None, value: str) -> None:
    source = Source("own_default", "user:a", "default", "/kept")
    trace = (TraceEntry(Verdict.NO, "own_default", "user:a", "default", "/kept", value, Reason.ALL_OPT_OUT),)
    decision = full(ChannelRef("email"), source, digest=value, trace=trace)
    shown = json.loads(decision_text(decision, lambda _: FIRST, lambda _: (actor, method)))
    assert (shown["decided_by"]["actor"], shown["decided_by"]["method"]) == (actor, method)
    assert shown["digest"] == value
    assert shown["trace"] == [
        {"layer": "own_default", "holder": "user:a", "set": "default", "path": "/kept", "value": value, "verdict": "no",
         "reason": "all_opt_out"}
    ]  # fmt: skip


def test_a_leaf_that_no_event_is_known_for_is_nobodys_word() -> None:
    source = Source("own_default", "user:a", "default", "/kept")
    shown = json.loads(decision_text(full(ChannelRef("email"), source), lambda _: None, None))
    assert shown["decided_by"] is None
    assert "trace" not in shown
