"""No unreviewed hit ever reaches a score: whatever lies in the queue, statuses and scores are the same to the last bit.

A user would notice a failure as a holding that is sold because two names look alike.
"""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exposure.content import SETTINGS, find_content
from exposure.factors.catalog import load_facts
from exposure.factors.scoring import list_status_at, score_issuers
from exposure.factors.screening import screen
from exposure.lists.queue import MECHANISMS, Queue
from exposure.lists.queue_files import read_queue, write_queue

pytestmark = pytest.mark.property

PROJECT = Path(__file__).parents[2]
DAY = date(2025, 1, 24)
ISSUERS = ("talkweb", "digital_china", "lenovo", "inspur", "smic")
WORDS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"])
days = st.dates(date(2019, 1, 1), date(2026, 12, 31))


@st.composite
def proposals(draw):
    number = draw(st.integers(0, 10**9))
    list_id = draw(st.sampled_from(sorted(MECHANISMS)))
    row = dict.fromkeys(Queue.columns())
    return row | {
        "proposal_id": f"{list_id.lower()}-{number}",
        "kind": draw(st.sampled_from(["match", "row left", "alias removed"])),
        "fresh": draw(st.booleans()),
        "issuer_id": draw(st.sampled_from(ISSUERS)),
        "list_id": list_id,
        "row_key": draw(st.text(WORDS, min_size=1, max_size=20)),
        "row_name": "Talkweb",
        "method": "exact",
        "score": 100.0,
        "reason": draw(st.sampled_from(["=", '"quoted", and more', "换行"])),
        "link_id": draw(st.sampled_from([None, "inspur.el.inspur_group_co_ltd.entity_licence"])),
        "edition_date": draw(days),
        "file": "consolidated.csv",
        "sha256": "0" * 64,
        "decision": draw(st.sampled_from(["open", "accepted", "rejected"])),
    }  # fmt: skip


def state(folder, book):
    catalog = load_facts(folder)
    found = screen(book, catalog)
    return (
        catalog.fingerprint,
        list_status_at(catalog, DAY),
        score_issuers(catalog, ISSUERS, DAY),
        found.rows,
        found.suppliers,
    )


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "factors" / "lists").mkdir(parents=True)
    (folder / SETTINGS).write_text('extends = "shipped"\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bare(mine, book):
    return state(mine, book)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(proposals(), min_size=1, max_size=12, unique_by=lambda row: row["proposal_id"])
)
def test_no_unreviewed_hit_reaches_a_status_or_a_score(mine, bare, book, rows):
    import polars as pl

    schema = {name: column.dtype for name, column in Queue.columns().items()}
    root = find_content(mine)
    write_queue(root, Queue.validate(pl.DataFrame(rows, schema=schema)))

    assert read_queue(root).height == len(rows)  # it is really there
    fingerprint, *frames = state(mine, book)
    assert fingerprint == bare[0]
    for now, before in zip(frames, bare[1:], strict=True):
        assert now.equals(before)
        assert now.write_ndjson() == before.write_ndjson()


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_only_the_command_line_opens_the_queue():
    """Direct and indirect: a room that reads the queue would need to import it."""
    engine = PROJECT / "exposure"
    module = {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in engine.rglob("*.py")
    }
    readers = {"exposure.lists.queue", "exposure.lists.queue_files"}
    found = {name for name, path in module.items() if imports_of(path) & readers} - readers

    assert found == {"exposure.cli.screen"}
    named = [
        name for name, path in module.items() if "proposals.csv" in path.read_text(encoding="utf-8")
    ]
    pairs = "exposure.lists.open_pairs"  # says who has an open match, never which: it can only weaken an answer
    assert set(named) == {"exposure.content.roots", "exposure.lists.queue", pairs}
    askers = {name for name, path in module.items() if pairs in imports_of(path)}
    assert askers == {
        "exposure.cli.screen_basis",
        "exposure.lists.queue_files",
        "exposure.optimiser.exclusions",
    }
