"""Whatever comes in: no handler raises, nothing takes partial effect, everything is answered, and the end is the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sophon.contract import encode_photo, parse_result
from tests.commands.rig import Rig

Json = dict[str, Any]

METHODS = ["add_users_plus", "delete_users", "wipe_data", "sync_permissions", "fiqa", "control_config"]
FIELDS = ["userid_list", "user_info_list", "wipe_options", "permissions_info_list", "info", "config_field", "extend_params",
          "messageId", "users", "events", "id", "name", "identity_id", "reg_photo", "reg_url", "relative_pic_url", "register_type",
          "fiqa_level", "type", "permission_ids", "path", "notify_path", "image_base64_str", "threshold", "threshold_range",
          "support_stranger_group"]  # fmt: skip

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["E1", "1046", "high", "no", "aGk=", "/x", "http://127.0.0.1:1/x", "http://["])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
COMMANDS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6).flatmap(
    lambda fields: st.sampled_from(METHODS).map(lambda method: {**fields, "method": method})
)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {"identity_id": LEAVES, "info": st.dictionaries(st.sampled_from(FIELDS), LEAVES, max_size=3)},
        optional=dict.fromkeys(("reg_photo", "register_type", "fiqa_level"), LEAVES),
    ),
    max_size=3,
)
NEARLY_RIGHT = st.one_of(
    PEOPLE.map(lambda people: {"method": "add_users_plus", "user_info_list": people}),
    st.lists(LEAVES, max_size=4).map(lambda ids: {"method": "delete_users", "userid_list": ids}),
    st.tuples(LEAVES, LEAVES).map(
        lambda two: {"method": "wipe_data", "wipe_options": {"users": two[0], "events": two[1]}}
    ),
    st.lists(
        st.fixed_dictionaries({"id": LEAVES, "info": st.fixed_dictionaries({"name": LEAVES})}), max_size=3
    ).map(lambda groups: {"method": "sync_permissions", "permissions_info_list": groups}),
    st.tuples(LEAVES, LEAVES).map(
        lambda two: {"method": "fiqa", "info": {"image_base64_str": two[0], "fiqa_level": two[1]}}
    ),
    st.dictionaries(st.sampled_from(FIELDS), LEAVES, max_size=3).map(
        lambda fields: {"method": "control_config", "config_field": fields}
    ),
)


def state_of(rig: Rig) -> Any:
    with rig.store.read() as snapshot:
        return (
            {one: snapshot.people.get(one) for one in snapshot.people.all_ids()},
            snapshot.groups.all(),
            snapshot.permissions.all(),
            snapshot.settings.all(),
            rig.box.match_threshold,
            len(rig.box),
        )


def check_one(rig: Rig, body: bytes) -> None:
    before = state_of(rig)
    rig.send(body)
    rig.executor.run_until_idle()
    (answer,) = rig.answers()
    parse_result(orjson.dumps(answer))
    if not answer["success"]:
        assert answer["result"] == {}
        assert state_of(rig) == before
    with rig.store.read() as snapshot:
        assert snapshot.inbox.oldest_open_seq() is None
        assert snapshot.batches.any_underway(before=2**62) is False
    assert len(rig.people()) == len(rig.box)


# One rig for all examples of a test, whatever state the last one left: that is what a box lives with.
MANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(MANY, max_examples=250)
@given(command=COMMANDS | NEARLY_RIGHT)
def test_any_command_is_answered_wholly_or_not_at_all(rig: Rig, command: Json) -> None:
    check_one(rig, orjson.dumps(command))


@settings(MANY, max_examples=150)
@given(body=st.binary(max_size=64) | VALUES.map(orjson.dumps))
def test_any_bytes_are_answered(rig: Rig, body: bytes) -> None:
    check_one(rig, body)


# Examples repeat each other; their commands must not.
_NUMBERS = itertools.count()
IDS = ["A", "B", "C"]
SOME_IDS = st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True)
STEPS = st.lists(
    st.one_of(
        SOME_IDS.map(lambda ids: ("add", ids)),
        SOME_IDS.map(lambda ids: ("delete", ids)),
        st.just(("wipe", [])),
    ),
    max_size=10,
)


@pytest.mark.slow
@settings(MANY, max_examples=40)
@given(
    steps=STEPS, how=st.lists(st.sampled_from(["repeat", "restart", "run", "wait"]), min_size=10, max_size=10)
)
def test_the_end_is_that_of_one_execution_each_in_order(
    rig: Rig, portraits: Path, steps: list[tuple[str, list[str]]], how: list[str]
) -> None:
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    rig.do({"method": "wipe_data", "wipe_options": {"users": True, "events": True}})
    expected: set[str] = set()
    for (kind, ids), event in zip(steps, how, strict=False):
        message: Json = {"messageId": f"command {next(_NUMBERS)}"}
        if kind == "add":
            people = [{"identity_id": one, "reg_photo": photo, "info": {"name": one}} for one in ids]
            message |= {"method": "add_users_plus", "user_info_list": people}
            expected |= set(ids)
        elif kind == "delete":
            message |= {"method": "delete_users", "userid_list": ids}
            expected -= set(ids)
        else:
            message |= {"method": "wipe_data", "wipe_options": {"users": True, "events": False}}
            expected = set()
        rig.send(message)
        if event == "repeat":
            rig.send(message)
        elif event == "restart":
            rig.restart()
        elif event == "run":
            rig.executor.run_commands()
    rig.executor.run_until_idle()
    assert rig.people() == expected
    copies = sum(event == "repeat" for event in how[: len(steps)])
    assert len(rig.answers()) == len(steps) + copies


COMMANDS_TO_NAME = st.lists(
    st.tuples(
        st.sampled_from("PQ"), st.sampled_from(["once", "twice", "without id", "repeat"]), st.integers(0, 9)
    ),
    min_size=1,
    max_size=14,
)
#: A link each: how many more messages are sent, how many of these are put on disk, and acknowledged.
LINKS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.booleans()), max_size=8
)


@pytest.mark.slow
@settings(MANY, max_examples=300)
@given(commands=COMMANDS_TO_NAME, links=LINKS)
def test_lost_acknowledgements_change_nothing_in_the_end(
    rig: Rig, commands: list[tuple[str, str, int]], links: list[tuple[int, int, int, bool]]
) -> None:
    rig.do({"method": "wipe_data", "wipe_options": {"users": True, "events": True}})
    queue: list[Json] = []
    expected: dict[str, str] = {}
    named: list[Json] = []
    for group, kind, which in commands:
        if kind == "repeat":
            # Sent again by the platform, whatever came since: answered again, and no more.
            queue += [named[which % len(named)]] if named else []
            continue
        # Without an id, what was meant twice has the same bytes.
        name = f"{group} again" if kind == "without id" else f"name {next(_NUMBERS)}"
        message: Json = {
            "method": "sync_permissions",
            "permissions_info_list": [{"id": group, "info": {"name": name}}],
        }
        if kind != "without id":
            message["messageId"] = name
            named.append(message)
        queue += [message] * (2 if kind == "twice" else 1)
        expected[group] = name
    is_repetitive = any(kind == "repeat" for _, kind, _ in commands)
    acknowledged = sent = 0
    for more, filed, acknowledging, rests in [*links, (len(queue), len(queue), len(queue), True)]:
        on_the_way = min(acknowledged + more, len(queue))
        messages = queue[acknowledged:on_the_way][:filed]
        for number, message in enumerate(messages):
            rig.send(message, redelivered=acknowledged + number < sent, first_of_link=number == 0)
        # What the platform repeats can't be told from a replay if it is marked before it was ever filed.
        sent = max(sent, acknowledged + len(messages) if is_repetitive else on_the_way)
        acknowledged += min(acknowledging, len(messages))
        if rests:
            rig.executor.run_until_idle()
    with rig.store.read() as snapshot:
        names = {one.permission_id: one.name for one in snapshot.permissions.all()}
    assert {group: names[group] for group in expected} == expected
    answered = {one.get("messageId") for one in rig.answers()}
    assert answered == {message.get("messageId") for message in queue}
