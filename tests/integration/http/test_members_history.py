"""What everybody chose inside a tenant: the tenant's own history and its members', over HTTP and by the command line."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.integration.command_line import connection, run
from tests.integration.http.api import Api, Json, fresh, refused

OTHERS: Final = 30


class Tenancy:
    """A tenant that no other test writes to."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.id = fresh("tenant")
        self.holder = f"tenant:{self.id}"
        self.set_name = f"tenant:{self.id}"

    def history(self, **params: str) -> list[Json]:
        return self.api.history(self.holder, **{"members": "true", **params})


@pytest.fixture
def tenancy(api: Api) -> Tenancy:
    """A tenant whose members, a user and an object, said four things, among much else."""
    tenancy = Tenancy(api)
    ann, project = f"user:{fresh()}", f"object:projects:{fresh()}"
    api.put_set(tenancy.holder, {"channel_types": {"email": True}}, Prefledger_Actor="agent:zoe")
    api.put_set(ann, {"channel_types": {"email": False}}, tenancy.set_name, Prefledger_Actor=ann)
    api.put_set(ann, {"channel_types": {"email": True}})
    api.put_set(project, {"enabled": False}, tenancy.set_name, Prefledger_Method="import")
    for number in range(OTHERS):
        api.put_set(ann, {"digest": str(number)}, "tenant:another")
    api.patch_set(ann, {"channel_types": {"email": None, "sms": False}}, tenancy.set_name, Prefledger_Actor=ann)
    path = f"/holders/{ann}/preferences/{tenancy.set_name}"
    assert api.request("PUT", path, json={}, headers={"If-Match": '"9"'}).status_code == 412
    return tenancy


def test_everybodys_choices_inside_a_tenant_are_told_in_order(tenancy: Tenancy) -> None:
    entries = tenancy.history()
    kinds = [entry["holder"].partition(":")[0] for entry in entries]
    assert kinds == ["user", "object", "user", "tenant"], "somebody's choice is missing, or another's was let in"
    assert {entry["set"] for entry in entries[:3]} == {tenancy.set_name}
    assert entries[0]["changes"] == [
        {"path": "/channel_types/email", "before": False}, {"path": "/channel_types/sms", "after": False},
    ]  # fmt: skip
    assert len(tenancy.history(outcome="rejected")) == 1
    assert [entry["holder"] for entry in tenancy.history(members="false")] == [tenancy.holder]


def test_filters_and_pages_hold_for_members(tenancy: Tenancy) -> None:
    api, whole = tenancy.api, tenancy.history()
    assert tenancy.history(actor="agent:zoe") == whole[3:]
    assert tenancy.history(method="import") == whole[1:2]
    assert tenancy.history(path="/enabled") == whole[1:2]
    assert tenancy.history(to=whole[1]["recorded_at"])[0]["recorded_at"] <= whole[1]["recorded_at"]
    assert tenancy.history(**{"from": "2999-01-01T00:00:00Z"}) == []
    pieces: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(f"/holders/{tenancy.holder}/history", members="true", limit="1", **cursor)
        pieces += page["entries"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        api.put_set(f"user:{fresh()}", {"enabled": True}, tenancy.set_name)
    assert pieces == whole, "what was written meanwhile got between the pages"
    first = api.get(f"/holders/{tenancy.holder}/history", members="true", limit="1")
    other = api.request("GET", f"/holders/{tenancy.holder}/history", params={"cursor": first["next_cursor"]})
    refused(other, "bad-request")


def test_it_takes_audit_and_a_tenant(tenancy: Tenancy) -> None:
    api = tenancy.api
    reader = api.with_key(api.issue_key("read")["key"])
    path = f"/holders/{tenancy.holder}/history"
    assert reader.request("GET", path).status_code == 200
    problem = refused(reader.request("GET", path, params={"members": "true"}), "forbidden")
    assert "'audit'" in problem["detail"]
    for holder in ("user:ann", "environment", "object:projects:p1"):
        refused(api.request("GET", f"/holders/{holder}/history", params={"members": "true"}), "invalid")


def test_the_commands_show_and_export_it(tenancy: Tenancy, tmp_path: Path) -> None:
    api = tenancy.api
    settings = connection(api.server)
    where = ("--environment", api.environment or "")
    shown = run("history", tenancy.holder, "--members", "--json", *where, settings=settings)
    assert shown.lines == tenancy.history(), shown.err
    out = tmp_path / "members.ndjson"
    done = run("export", tenancy.holder, "--members", "--out", str(out), *where, settings=settings)
    assert done.status == 0, done.err
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line] == tenancy.history()
    assert run("export", "--all", "--members", "--out", str(out), *where, settings=settings).status == 2
