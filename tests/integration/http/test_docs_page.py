"""The API's description as a page: whole, and without anything from elsewhere."""

import re

import httpx

from tests.integration.http.api import Api


def test_the_page_shows_every_operation_and_loads_nothing(api: Api) -> None:
    page = httpx.get(f"{api.server.url}/ledger/v1/docs", trust_env=False, timeout=20)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text), "the page loads something from another host"
    document = httpx.get(f"{api.server.url}/ledger/v1/openapi.json", trust_env=False, timeout=20).json()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.text
    for link in re.findall(r'href="#([^"]+)"', page.text):
        assert f'id="{link}"' in page.text
