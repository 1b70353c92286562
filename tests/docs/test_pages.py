"""The examples on the pages below docs/ are run too, each page against a ledger of its own."""

import pytest

from tests.docs.shell_blocks import Block, Printed, blocks_of, make_root, run_blocks, same
from tests.server_process import ROOT, ServerProcess

PAGES = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md"))]
BLOCKS = [block for page in PAGES for block in blocks_of(page)]

Results = dict[Block, Printed]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    printed: Results = {}
    for page in dict.fromkeys(block.page for block in BLOCKS):
        root = make_root(tmp_path_factory.mktemp("page"))
        with ServerProcess(root / "data", environment={"PREFLEDGER_DECISION_LOG": "1"}) as server:
            variables = {"PREFLEDGER_URL": server.url, "PREFLEDGER_KEY": server.admin_key}
            printed |= run_blocks([block for block in BLOCKS if block.page == page], root, variables)
    return printed


def test_there_are_pages_with_examples() -> None:
    assert {"docs/api.md", "docs/preferences.md"} <= {block.page for block in BLOCKS}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_examples_do_and_print_what_the_page_says(block: Block, results: Results) -> None:
    printed = results[block]
    assert printed.as_told, f"{block}: a reader who types this sees:\n{printed.text}"
    assert block.output is not None, f"{block}: an example shows what comes of it"
    assert same(block.output, printed.text), f"{block}: this prints something else than shown:\n{printed.text}"
