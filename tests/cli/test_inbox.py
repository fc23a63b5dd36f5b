"""`sophon inbox`: the operator's hand for commands that were set aside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from sophon.cli import app
from sophon.store import Lane, State, Store

BODY = b'{"method": "delete_users", "userid_list": ["E1"], "messageId": "m"}'


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A box that set command 1 aside, keeps only the beginning of command 2, and has command 3 to do."""
    with Store(tmp_path / "data") as store, store.write() as transaction:
        for number, kept in enumerate((BODY, BODY[:5], BODY)):
            seq = transaction.inbox.add(
                key=f"k{number}",
                lane=Lane.COMMAND,
                method="delete_users",
                message_id='"m"',
                body=BODY,
                body_sha256=hashlib.sha256(BODY).digest(),
                at=1_700_000_000_000,
            )
            if seq < 3:
                reason = "failed inside: ZeroDivisionError"
                result = b'{"code":50072}'
                transaction.inbox.finish(
                    seq, state=State.DEAD, code=50072, result=result, reason=reason, notify_path=None, at=1
                )
                transaction.inbox.keep_body(seq, kept)
    return tmp_path / "data"


def inbox(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["inbox", *arguments, "--data-dir", str(data_dir)], env={"COLUMNS": "200"})


def states(data_dir: Path) -> dict[int, str]:
    return {
        row["seq"]: row["state"] for row in orjson.loads(inbox(data_dir, "list", "--all", "--json").stdout)
    }


def test_commands_are_listed_with_their_reason(data_dir: Path) -> None:
    text = inbox(data_dir, "list").stdout
    assert "ZeroDivisionError" in text
    assert states(data_dir) == {3: "new", 2: "dead", 1: "dead"}


def test_a_command_is_shown_with_what_is_kept_of_it(data_dir: Path) -> None:
    shown = orjson.loads(inbox(data_dir, "show", "1", "--json").stdout)
    assert shown["content"].encode() == BODY
    assert shown["result"] == {"code": 50072}
    assert "reason: failed inside" in inbox(data_dir, "show", "1").stdout


def test_a_command_that_was_set_aside_is_tried_again(data_dir: Path) -> None:
    assert inbox(data_dir, "retry", "1").exit_code == 0
    assert states(data_dir)[1] == "new"


@pytest.mark.parametrize(
    ("seq", "why"), [("2", "content is not kept"), ("3", "it is new"), ("9", "no command 9")]
)
def test_what_cannot_be_tried_again_is_refused(data_dir: Path, seq: str, why: str) -> None:
    before = states(data_dir)
    refused = inbox(data_dir, "retry", seq)
    assert refused.exit_code == 1
    assert why in str(refused.exception)
    assert states(data_dir) == before


def test_a_dropped_command_is_gone_and_one_still_to_do_is_not_dropped(data_dir: Path) -> None:
    assert inbox(data_dir, "drop", "1").exit_code == 0
    assert inbox(data_dir, "drop", "3").exit_code == 1
    assert states(data_dir) == {3: "new", 2: "dead"}
