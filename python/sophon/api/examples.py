"""What calls answer, by example: the ``data`` of each call's success, and a body for each kind of failure."""

from __future__ import annotations

from typing import Any

from sophon.errors import Code

_PHOTO = "/9j/4AAQSkZJRg=="
_GROUP = {"name": "north", "description": "the north gate"}
_INFO = {
    "name": "Ann",
    "type": 1,
    "permission_ids": ["0"],
    "description": "",
    "user_id": "1f0c2b7a9d3e4f5061728394a5b6c7d8",
    "image_id": "9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de",
}
_PERSON = {
    "identity_id": "E1001",
    "name": "Ann",
    "groups": ["default_group"],
    "permission_ids": ["0"],
    "info": {"name": "Ann", "type": 1, "permission_ids": ["0"]},
    "enrolled_at": 1764122400000,
}
_RECEIVERS = {"content-type": "json"}
_REAL_TIME = {
    **_RECEIVERS,
    "event_server_url": ["http://192.168.1.20:8080/events"],
    "real_need_reg_pic": True,
}
_HISTORY = {
    **_RECEIVERS,
    "history_upload_event_url": ["http://192.168.1.20:8080/history"],
    "history_need_reg_pic": True,
    "reported_peroid": 20,
    "message": "",
}
_JOB = {
    "id": 4711,
    "state": "running",
    "total": 300,
    "done": 120,
    "refused": 1,
    "reason": "",
    "received_at": 1764122400000,
    "finished_at": None,
    "outcomes": [
        {
            "position": 0,
            "identity_id": "E1001",
            "code": 40006,
            "failed_items": ["clarity"],
            "detail": "the face fails level high: clarity",
        }
    ],
}

ANSWERS: dict[str, Any] = {
    "GET /SophonMQ/api/DevSno": {"dev_sno": "BOXA0001", "response": "BOXA0001"},
    "PUT /SophonMQ/api/DevSno": {"response": "BOXA0001"},
    "GET /SophonMQ/api/LoginUrl": {
        "login_url": "http://platform.example:8900/login",
        "response": "http://platform.example:8900/login",
    },
    "PUT /SophonMQ/api/LoginUrl": {"response": "http://platform.example:8900/login"},
    "POST /SophonFogSys/api/permissions": {"info": _GROUP},
    "GET /SophonFogSys/api/permissions": {"permissions_list": [_GROUP]},
    "PUT /SophonFogSys/api/permissions": {"info": _GROUP},
    "DELETE /SophonFogSys/api/permissions": {
        "permission_name": "north",
        "group_name": "north",
        "message": "just delete the group info,the user already exists",
    },
    "POST /SophonFogSys/api/groups": {"info": _GROUP},
    "GET /SophonFogSys/api/groups": {"groups_list": [_GROUP]},
    "PUT /SophonFogSys/api/groups": {"info": _GROUP},
    "DELETE /SophonFogSys/api/groups": {
        "group_name": "north",
        "message": "just delete the group info,the user already exists",
    },
    "PUT /SophonFogSys/api/GroupUsers": {"group_name": "north", "message": "", "identity_id": ["E1001"]},
    "DELETE /SophonFogSys/api/GroupUsers": {"group_name": "north", "message": "", "identity_id": []},
    "POST /SophonFogSys/api/users": {
        "identity_id": "E1001",
        "reg_photo": _PHOTO,
        "group_name": "default_group",
        "info": _INFO,
    },
    "GET /SophonFogSys/api/users": {
        "identities_list": [
            {
                "identity_id": "E1001",
                "reg_photo": _PHOTO,
                "group_name": ["default_group"],
                "info": _INFO,
            }
        ]
    },
    "PUT /SophonFogSys/api/users": {
        "identity_id": "E1001",
        "image_id": _INFO["image_id"],
        "group_name": ["default_group"],
        "info": _INFO,
    },
    "DELETE /SophonFogSys/api/users": {
        "identity_id": "E1001",
        "group_name": ["default_group"],
        "message": "have remove from group success",
    },
    "POST /SophonFogSys/api/GateControllerMode": {"controller_mode": "opendoor"},
    "GET /SophonFogSys/api/GateControllerMode": {"controller_mode": "opendoor"},
    "PUT /SophonFogSys/api/EventAction": {"message": "", "action_mode": "opendoor"},
    "POST /SophonFogSys/api/EventServerUrl": _REAL_TIME,
    "GET /SophonFogSys/api/EventServerUrl": _REAL_TIME,
    "POST /SophonFogSys/api/HistoryEventUrl": _HISTORY,
    "GET /SophonFogSys/api/HistoryEventUrl": _HISTORY,
    "POST /SophonFogSys/api/MonitorServerUrl": "ok",
    "GET /SophonFogSys/api/MonitorServerUrl": {
        "monitor_server_url": "http://192.168.1.20:8080/status",
        "reported_peroid": 20,
    },
    "POST /SophonFogSys/api/WipeData": {"wipe_options": {"users": True, "events": False}},
    "POST /SophonFace/api/FIQA": [
        {
            "bbox": [120, 80, 360, 390],
            "fiqa_result": False,
            "score": 0.61,
            "success": ["face_size", "headpose", "brightness", "occlusion", "mask", "partial"],
            "fails": ["clarity"],
            "info": {"face_size": 240, "clarity": 0.31, "brightness": 131.5},
        }
    ],
    "POST /SophonMatch/api/PictureMatch": {
        "retcode": "1",
        "score": 0.87,
        "identity_id": "E1001",
        "name": "Ann",
        "identity_info": {},
    },
    "GET /api/v1/status": {
        "version": "0.1.0",
        "dev_sno": "BOXA0001",
        "pid": 611,
        "started_at": 1764122000.0,
        "written_at": 1764122400.0,
        "phase": "consuming",
        "login": "ok",
        "links": {"commands": {"phase": "up", "reason": "", "since": 1764122001.5, "connections": 1}},
        "no_room": "",
        "people": 300,
        "recognisable": 300,
        "inbox": {"done": 12},
        "outbox": {},
        "enrolment": None,
        "counters": {"commands": 12},
        "rates": {},
        "last_commands": [],
    },
    "GET /api/v1/people": {"total": 300, "people": [_PERSON]},
    "GET /api/v1/people/{identity_id}": _PERSON,
    "DELETE /api/v1/people/{identity_id}": _PERSON,
    "GET /api/v1/events": {
        "last_id": 17,
        "events": [
            {
                "id": 17,
                "at": 1764122400000,
                "identity_id": "E1001",
                "identity_name": "Ann",
                "person_type": 1,
                "group_name": "default_group",
                "device_ip": "192.168.1.31",
                "device_type": "0",
                "score": 0.87,
                "details": {},
            }
        ],
    },
    "GET /api/v1/devices": [
        {
            "ip": "192.168.1.31",
            "device_type": "0",
            "name": "north gate",
            "direction": 0,
            "group_name": "default_group",
            "permission_id": "0",
            "memo": "",
            "location": "",
        }
    ],
    "GET /api/v1/models": [
        {
            "role": "detector",
            "name": "a detector",
            "sha256": "9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de",
            "size": 1843200,
            "licence": "MIT",
        }
    ],
    "POST /api/v1/search": [
        {
            "bbox": [120, 80, 360, 390],
            "quality": 0.91,
            "people": [{"identity_id": "E1001", "name": "Ann", "score": 0.87}],
        }
    ],
    "POST /api/v1/compare": {"score": 0.87, "is_match": True},
    "POST /api/v1/enrolments": {**_JOB, "state": "waiting", "done": 0, "refused": 0, "outcomes": []},
    "GET /api/v1/jobs/{job_id}": _JOB,
    "POST /api/v1/restore": {"people": 298, "left_out": 2, "events": 0, "recognisable": 298},
}

#: By HTTP status, one of the codes that it comes with, and what may be said.
FAILURES: dict[str, tuple[Code, str]] = {
    "400": (Code.FOG_PARAM_ERROR, "'identity_id' is required"),
    "401": (Code.UNAUTHORIZED, "the token is wrong or was revoked"),
    "403": (Code.FORBIDDEN, "a token of the role viewer may not do this"),
    "404": (Code.ID_NOT_FOUND, "identity_id: there is nobody with the id 'E1001'"),
    "413": (Code.PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"),
    "415": (Code.FOG_CONTENT_TYPE_ERROR, "Content-Type must be application/json"),
    "429": (Code.TOO_MANY_REQUESTS, "more requests than http_requests_per_s allows; try again soon"),
    "500": (Code.REMOTE_SERVER_FAILED, "the gate can't be reached"),
    "501": (Code.NOT_IMPLEMENTED, "this is not offered here"),
    "503": (Code.SERVICE_BUSY, "32 photographs wait already; try again soon"),
}
