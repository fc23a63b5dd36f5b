"""The table of clauses in the documents names tests that exist."""

from __future__ import annotations

import re

from tests.conftest import REPOSITORY

TABLE = (REPOSITORY / "docs" / "contract.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^\| (\w) \| `(tests/[\w/]+\.py)` \|$", TABLE, re.MULTILINE))


def test_every_test_that_the_table_names_exists() -> None:
    missing = []
    named = re.findall(r"(?:^|[|;] )(\w) ((?:`test_\w+`(?:, )?)+)", TABLE, re.MULTILINE)
    for letter, names in named:
        source = (REPOSITORY / FILES[letter]).read_text(encoding="utf-8")
        missing += [
            f"{FILES[letter]}::{name}"
            for name in re.findall(r"test_\w+", names)
            if f"def {name}(" not in source
        ]

    assert len(named) > 60
    assert missing == []


def test_every_file_of_the_table_is_used() -> None:
    used = set(re.findall(r"(?:[|;] )(\w) `test_", TABLE))

    assert used == set(FILES)
