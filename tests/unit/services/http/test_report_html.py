"""The page of a report: whatever people wrote is text on it, and it needs nothing from elsewhere."""

import hashlib
from base64 import b64encode
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from projections.position import encode_position
from services.http.report_html import HtmlReport

TAGS: Final = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "dl", "dt", "dd", "i", "b", "table", "thead",
    "tbody", "tr", "th", "td", "bdi", "small", "code", "ul", "li", "a", "br",
}  # fmt: skip
ATTRIBUTES: Final = {
    "html": {"lang"}, "meta": {"charset", "http-equiv", "content", "name"}, "a": {"href"}, "tr": {"id"},
}  # fmt: skip
VOID: Final = frozenset({"meta", "br"})
HOSTILE: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title></style></bdi><b>", "'; --", "&lt;&amp;",
    "javascript:alert(1)", "<!--", "]]>", "\u202eevil\u2066", "a\x00b\x1b[31m", "\u2028", "{{7*7}}", "`$(id)`",
)  # fmt: skip
POSITION: Final = encode_position(bytes(8), 1, 7, bytes(4))


class Page(HTMLParser):
    """A page taken apart: its text, its links, and a failure for whatever may not be on it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.style, self.policy = "", "", ""
        self.links: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "the page ends amid an element"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert tag in TAGS, f"somebody's text became a <{tag}>"
        assert set(named) <= ATTRIBUTES.get(tag, set()), f"<{tag}> has {named}"
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
        self.links += [named["href"] or ""] if "href" in named else []
        self.ids += [named["id"] or ""] if "id" in named else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"somebody's text became a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"somebody's text became an instruction: {data}")


def page_with(text: str) -> Page:
    """A page on which a text stands wherever people's texts can stand."""
    event = {
        "position": POSITION, "event_id": "00000000-0000-0000-0000-000000000001", "type": text, "holder": f"user:{text}",
        "set": text, "item": f"set:{text}", "actor": text, "method": text, "reason": text, "legal_basis": text,
        "evidence": {text: [text]}, "notice": {"id": text, "version": text, "locale": text}, "correlation_id": text,
        "causation_id": text, "occurred_at": "2026-03-03T14:02:00.000Z", "recorded_at": "2026-03-03T14:02:00.000Z",
        "outcome": "rejected", "why": text, "version": 1, "sentence": text,
    }  # fmt: skip
    pointer = "/workflows/" + text.replace("~", "~0").replace("/", "~1")
    tree = {"workflows": {text: text}}
    document = {"version": 1, "value": tree, "sources": {pointer: POSITION}, "events": {POSITION: event}}
    writer = HtmlReport()
    head: dict[str, Any] = {
        "holder": f"user:{text}", "environment": text, "ledger_id": text, "position": POSITION,
        "recorded_at": "2026-03-03T14:02:00.000Z", "made_at": "2026-03-03T14:02:00.000Z",
        "properties": document, "suppression": document, "events": {POSITION: event},
    }  # fmt: skip
    change = {"path": pointer, "before": text, "after": {text: text}, "item": f"set:{text}"}
    names = {pointer: text}
    return Page(
        writer.head(head)
        + writer.preference_set({**document, "set": text, "preferences": tree, "names": names})
        + writer.changes()
        + writer.change({**event, "changes": [change], "names": names})
        + writer.end([{"actor": text, "method": text, "events": 1, "first_recorded_at": "x", "last_recorded_at": "y"}])
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_wrote_is_text_and_nothing_else(text: str) -> None:
    page = page_with(text)
    unseen = {character for character in text if not character.isprintable()}
    shown = "".join(f"\\u{ord(character):04x}" if character in unseen else character for character in text)
    assert page.text.count(shown) >= 15, f"{shown} was lost: {page.text}"
    assert not unseen & set(page.text), "what is not seen can make a page say something else than it shows"


def test_the_page_needs_nothing_from_elsewhere_and_lets_nothing_in() -> None:
    page = page_with("x")
    digest = b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert HtmlReport.headers["content-security-policy"].startswith(page.policy), "served and saved, it is guarded alike"
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert set(page.links) == {f"#{page.ids[0]}"} == {"#r7"}, "a link leads out of the page"


def test_nothing_and_null_and_no_are_told_apart() -> None:
    writer = HtmlReport()
    writer.head({
        "holder": "user:x", "environment": "e", "ledger_id": "l", "position": POSITION, "recorded_at": "r", "made_at": "m",
        "events": {},
    })  # fmt: skip
    changes = [
        {"path": "/a", "after": None}, {"path": "/b", "before": False, "after": "no"}, {"path": "/c", "before": 0},
    ]  # fmt: skip
    entry: dict[str, Any] = {
        "position": POSITION, "event_id": None, "type": "HolderDescribed", "set": None, "item": "properties", "actor": None,
        "method": None, "occurred_at": "o", "recorded_at": "r", "outcome": "applied", "changes": changes, "names": {},
    }  # fmt: skip
    row = writer.change(entry)
    for shown in ("nothing &rarr; <code><bdi>null</bdi></code>", "no &rarr; <code><bdi>&quot;no&quot;</bdi></code>",
                  "<code><bdi>0</bdi></code> &rarr; nothing"):  # fmt: skip
        assert shown in row
    assert "nothing" not in writer.change({**entry, "changes": [], "forgotten": True})
