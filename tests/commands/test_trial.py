"""The trial of a photograph that was under way when the box ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sophon.commands.trial import Trial
from sophon.contract import encode_photo
from sophon.engine import FaceEngine
from sophon.platform import PlatformClient
from tests.commands.rig import Rig

# Stands in for a photograph that crashes a decoder, which today's decoders don't offer: it ends on one that holds "bomb".
GUILTY = f"""
import os, struct, sys
while head := sys.stdin.buffer.read(8):
    level, size = struct.unpack("<II", head)
    sys.stdin.buffer.read(level)
    if b"bomb" in sys.stdin.buffer.read(size):
        os.kill(os.getpid(), {int(signal.SIGSEGV)})
    sys.stdout.buffer.write(b"\\x01")
    sys.stdout.buffer.flush()
"""


def test_photographs_good_and_bad_survive(portraits: Path) -> None:
    with Trial(None) as trial:
        assert trial.survives((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes(), "high")
        assert trial.survives(b"no photograph", "high")
        assert trial.survives(b"", "no such level")


def test_one_that_ends_the_process_does_not_and_the_next_is_tried_anew() -> None:
    with Trial(None, program=("-c", GUILTY)) as trial:
        assert trial.survives(b"fine", "high")
        assert not trial.survives(b"a bomb", "high")
        assert trial.survives(b"fine", "high")


def test_one_that_hangs_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.commands.trial.TRIAL_SECONDS", 0.3)
    with Trial(None, program=("-c", "import time; time.sleep(60)")) as trial:
        assert not trial.survives(b"slow", "high")


def test_only_who_is_to_blame_is_refused_after_the_box_ended(
    tmp_path: Path, engine: FaceEngine, client: PlatformClient, portraits: Path
) -> None:
    # Given an enrolment of three, claimed when the box ended
    good = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    people = [("A", good), ("B", encode_photo(b"a bomb")), ("C", good)]
    with Trial(None, program=("-c", GUILTY)) as trial:
        rig = Rig(tmp_path / "data", engine, client, trial=trial)
        rig.send(
            {
                "method": "add_users_plus",
                "user_info_list": [
                    {"identity_id": one, "reg_photo": photo, "info": {"name": one}} for one, photo in people
                ],
            }
        )
        rig.send({"method": "fiqa", "messageId": "f", "info": {"image_base64_str": people[1][1]}})
        rig.executor.run_commands()
        with rig.store.write() as transaction:
            transaction.batches.claim(1, [0, 1, 2])
            transaction.inbox.claim(2)

        # When it is started again
        rig.restart()
        rig.executor.run_until_idle()

        # Then the guilty photograph is refused, and nobody else
        added, judged = rig.answers()
        assert [one["userid"] for one in added["result"]["success_users"]] == ["A", "C"]
        assert [(one["userid"], one["code"]) for one in added["result"]["failed_users"]] == [("B", 50072)]
        assert judged["code"] == 50072
        rig.close()


def test_a_box_that_ends_again_and_again_during_trials_refuses_nobody_for_that(
    tmp_path: Path, engine: FaceEngine, client: PlatformClient, portraits: Path
) -> None:
    # Given a person and a photograph to judge, both claimed when the box ended
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    attempts_at_trial: list[int] = []

    class Watched(Trial):
        def survives(self, photo: bytes, level: str) -> bool:
            # What would be on disk if the box ended now
            with rig.store.read() as snapshot:
                attempts_at_trial.extend(item.attempts for item in snapshot.batches.open_items(1, 10))
                row = snapshot.inbox.by_seq(2)
            assert row is not None
            attempts_at_trial.append(row.attempts)
            return super().survives(photo, level)

    with Watched(None) as trial:
        rig = Rig(tmp_path / "data", engine, client, trial=trial)
        person = {"identity_id": "A", "reg_photo": photo, "info": {"name": "n"}}
        rig.send({"method": "add_users_plus", "user_info_list": [person]})
        rig.send({"method": "fiqa", "messageId": "f", "info": {"image_base64_str": photo}})
        rig.executor.run_commands()
        with rig.store.write() as transaction:
            transaction.batches.claim(1, [0])
            transaction.inbox.claim(2)
        # When they are tried in another process, then that counts as no attempt while it lasts
        rig.restart()
        rig.executor.run_until_idle()
        assert attempts_at_trial == [1, 1, 1]
        # And both are done in the end
        added, judged = rig.answers()
        assert [one["userid"] for one in added["result"]["success_users"]] == ["A"]
        assert judged["code"] == 0
        rig.close()
