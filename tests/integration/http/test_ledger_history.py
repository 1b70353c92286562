"""The history of a whole environment: every holder, filtered by who and how, on pages that stand still."""

from tests.integration.http.api import Api, Json, fresh, refused


def test_every_record_of_every_holder_is_there(api: Api) -> None:
    holders = [f"user:{fresh()}" for _ in range(3)]
    written = [api.put_set(holder, {"channel_types": {"email": False}})["position"] for holder in holders]
    entries = api.get("/history", limit=3)["entries"]
    assert [(entry["holder"], entry["position"]) for entry in entries] == list(zip(holders, written, strict=True))[::-1]
    assert entries[0] == api.history(holders[2])[0]


def test_pages_stand_still_while_the_ledger_goes_on(api: Api) -> None:
    for _ in range(5):
        api.put_set(f"user:{fresh()}", {"channel_types": {"email": False}})
    whole = api.get("/history", limit=1000)
    read: list[Json] = []
    page = api.get("/history", limit=2)
    read += page["entries"]
    while page["next_cursor"] is not None:
        api.put_set(f"user:{fresh()}", {"channel_types": {"email": False}})
        page = api.get("/history", limit=2 + len(read), cursor=page["next_cursor"])
        read += page["entries"]
    assert read == whole["entries"]
    assert page["position"] == whole["position"]


def test_actor_and_method_narrow_the_history_together(api: Api) -> None:
    holder, actor = f"user:{fresh()}", f"user:{fresh('actor')}"
    api.put_set(holder, {"channel_types": {"email": False}}, Prefledger_Actor=actor, Prefledger_Method="form")
    api.put_set(holder, {"channel_types": {"email": True}}, Prefledger_Actor=actor)
    api.put_set(holder, {"channel_types": {"sms": True}}, Prefledger_Method="form")
    assert [entry["version"] for entry in api.history(holder, actor=actor)] == [2, 1]
    assert [entry["version"] for entry in api.history(holder, method="form")] == [3, 1]
    assert [entry["version"] for entry in api.history(holder, actor=actor, method="form")] == [1]
    assert [entry["holder"] for entry in api.get("/history", actor=actor, method="form")["entries"]] == [holder]
    assert api.get("/history", actor="nobody")["entries"] == []


def test_who_said_what_of_the_forgotten_is_not_to_be_found_out(api: Api) -> None:
    """A filter that matches what is hidden would tell it."""
    holder, actor = f"user:{fresh()}", f"user:{fresh('actor')}"
    api.put_set(holder, {"channel_types": {"email": False}}, Prefledger_Actor=actor)
    api.ok("DELETE", f"/holders/{holder}")
    assert api.get("/history", actor=actor)["entries"] == []
    assert api.history(holder, actor=actor) == []


def test_no_secret_of_a_key_is_in_it(api: Api) -> None:
    api.issue_key("read")
    (entry,) = api.get("/history", limit=1)["entries"]
    assert entry["type"] == "ApiKeyIssued"
    assert not {change["path"] for change in entry["changes"]} & {"/secret_hash", "/sealed_secret"}


def test_a_cursor_belongs_to_its_filters(api: Api) -> None:
    api.put_set(f"user:{fresh()}", {"channel_types": {"email": False}})
    cursor = api.get("/history", limit=1)["next_cursor"]
    refused(api.request("GET", "/history", params={"cursor": cursor, "actor": "a"}), "bad-request")
    refused(api.request("GET", f"/holders/user:{fresh()}/history", params={"cursor": cursor}), "bad-request")
