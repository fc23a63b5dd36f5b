"""Commands whose envelope breaks the contract, each with the beginning of the answer's detail."""

from __future__ import annotations

from typing import Any

import orjson


def command(**fields: Any) -> bytes:
    return orjson.dumps(fields)


BAD: list[tuple[bytes, str]] = [
    (b"", "the message is not JSON in UTF-8"),
    (b"   ", "the message is not JSON in UTF-8"),
    (b"{", "the message is not JSON in UTF-8"),
    (b'{"method": "fiqa"} x', "the message is not JSON in UTF-8"),
    (b'{"threshold": NaN}', "the message is not JSON in UTF-8"),
    (b'{"threshold": Infinity}', "the message is not JSON in UTF-8"),
    (b'{"method": "\xff"}', "the message is not JSON in UTF-8"),
    ('{"method": "人"}'.encode("gbk"), "the message is not JSON in UTF-8"),
    ('{"method": "fiqa"}'.encode("utf-16"), "the message is not JSON in UTF-8"),
    (b'{"method": "\\ud800"}', "the message is not JSON in UTF-8"),
    (b"null", "the message is not a JSON object"),
    (b"5", "the message is not a JSON object"),
    (b"[]", "the message is not a JSON object"),
    (b'"x"', "the message is not a JSON object"),
    (b'{"method": ' + b"[" * 70 + b"]" * 70 + b"}", "the message is nested deeper than 64 levels"),
    (b"[" * 100_000, "the message is not JSON in UTF-8"),
    (b'{"a": "' + b"x" * 2**25 + b'"}', "the message is larger than 32 MiB"),
    (command(), "'method' is required"),
    (command(method=None), "'method' is required"),
    (command(method=7), "'method' must be a string"),
    (command(method=["fiqa"]), "'method' must be a string"),
    (command(method="reboot"), "unknown method 'reboot'"),
    (command(method="FIQA"), "unknown method 'FIQA'"),
    (command(method="fiqa "), "unknown method 'fiqa '"),
    (command(method="fiqa\0"), "unknown method 'fiqa\\x00'"),
    (command(method="delete_users"), "delete_users: 'userid_list' is required"),
    (command(method="delete_users", userid_list=None), "delete_users: 'userid_list' is required"),
    (
        command(method="delete_users", userid_list="E1"),
        "delete_users: 'userid_list' must be a list of strings",
    ),
    (
        command(method="delete_users", userid_list=[["E1"]]),
        "delete_users: 'userid_list' must be a list of strings",
    ),
    (
        command(method="delete_users", userid_list=[1.5]),
        "delete_users: 'userid_list' must be a list of strings",
    ),
    (
        command(method="delete_users", userid_list=[True]),
        "delete_users: 'userid_list' must be a list of strings",
    ),
    (
        command(method="delete_users", userid_list=["E1"] * 200_001),
        "delete_users: 'userid_list' must have at most 200000 entries",
    ),
    (
        command(method="delete_users", userid_list=[], extend_params=[]),
        "delete_users: 'extend_params' must be an object",
    ),
    (
        command(method="delete_users", userid_list=[], extend_params={"notify_path": 5}),
        "delete_users: 'extend_params.notify_path' must be a string",
    ),
    (
        command(method="delete_users", userid_list=[], extend_params={"notify_path": "/a\r\nHost: b"}),
        "delete_users: 'extend_params.notify_path' must not hold control characters",
    ),
    (
        command(method="add_users_plus"),
        "add_users_plus: exactly one of 'userid_list' and 'user_info_list' is required, found neither",
    ),
    (
        command(method="add_users_plus", userid_list=[], user_info_list=[], extend_params={"path": "/p"}),
        "add_users_plus: exactly one of 'userid_list' and 'user_info_list' is required, found both",
    ),
    (
        command(method="add_users_plus", userid_list=["E1"], extend_params={}),
        "add_users_plus: 'extend_params.path' is required with 'userid_list'",
    ),
    (
        command(method="add_users_plus", user_info_list={}),
        "add_users_plus: 'user_info_list' must be a list of persons",
    ),
    (command(method="wipe_data"), "wipe_data: 'wipe_options' is required"),
    (command(method="wipe_data", wipe_options=["users"]), "wipe_data: 'wipe_options' must be an object"),
    (
        command(method="wipe_data", wipe_options={"users": True}),
        "wipe_data: 'wipe_options.events' is required",
    ),
    (
        command(method="wipe_data", wipe_options={"users": "true", "events": False}),
        "wipe_data: 'wipe_options.users' must be true or false",
    ),
    (
        command(method="wipe_data", wipe_options={"users": 1, "events": False}),
        "wipe_data: 'wipe_options.users' must be true or false",
    ),
    (command(method="sync_permissions"), "sync_permissions: 'permissions_info_list' is required"),
    (
        command(method="sync_permissions", permissions_info_list="1046"),
        "sync_permissions: 'permissions_info_list' must be a list of objects {id, info: {name}}",
    ),
    (command(method="fiqa"), "fiqa: 'info' is required"),
    (command(method="fiqa", info={}), "fiqa: 'info.image_base64_str' is required"),
    (command(method="fiqa", info={"image_base64_str": 5}), "fiqa: 'info.image_base64_str' must be a string"),
    (
        command(method="fiqa", info={"image_base64_str": "", "fiqa_level": "best"}),
        "fiqa: 'info.fiqa_level' must be 'high', 'custom', 'middle', 'low', 'no' or ''",
    ),
    (command(method="control_config"), "control_config: 'config_field' is required"),
    (command(method="control_config", config_field=3), "control_config: 'config_field' must be an object"),
]
