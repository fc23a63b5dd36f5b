"""The OpenAPI description: as it is on file, and true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from sophon.api.app import ROUTERS
from sophon.api.examples import ANSWERS
from sophon.contract import ErrorResponse
from sophon.tokens import Role
from tests.api.conftest import RunningApi

SNAPSHOT = Path(__file__).with_name("openapi.snapshot.json")
#: How many requests are tried for each call; 115 make over 5,000 requests in all, in one to three minutes.
EXAMPLES = int(os.environ.get("SOPHON_API_EXAMPLES", "115"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_description_changes_only_on_purpose(admin: httpx.Client) -> None:
    """After a change on purpose: SOPHON_RENEW_SNAPSHOT=1 pytest tests/api/test_openapi.py, and look at the difference."""
    document = admin.get("/openapi.json").json()
    document["info"]["version"] = "0"
    if os.environ.get("SOPHON_RENEW_SNAPSHOT"):
        SNAPSHOT.write_bytes(
            orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
        )
    assert document == orjson.loads(SNAPSHOT.read_bytes())


def test_every_body_has_its_schema(admin: httpx.Client) -> None:
    document = admin.get("/openapi.json").json()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert ("requestBody" in call) == (method != "get" and "{" not in path), (method, path)
            assert call["summary"]
            assert call["description"]


def test_every_answer_has_an_example_and_the_example_is_one(admin: httpx.Client) -> None:
    document = admin.get("/openapi.json").json()
    routes = {
        f"{method} {route.path_format}": route
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            route = routes[f"{method.upper()} {path}"]
            for status, response in call["responses"].items():
                content = response.get("content", {}).get("application/json")
                if content is None or not content["schema"]:  # a file, or a stream
                    assert path in ("/api/v1/backup", "/api/v1/events/stream")
                elif status == "200":
                    TypeAdapter(route.response_model).validate_python(content["example"])
                else:
                    problem = ErrorResponse.model_validate(content["example"]).error
                    assert problem.code // 100 == int(status)
    assert set(ANSWERS) <= set(routes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whatever_is_sent_is_answered_as_described(
    api: RunningApi, admin: httpx.Client, tmp_path: Path
) -> None:
    """Schemathesis makes requests from the description, right and wrong; EventAction would look for gates."""
    document = tmp_path / "openapi.json"
    document.write_bytes(admin.get("/openapi.json").content)
    config = tmp_path / "schemathesis.toml"
    config.write_text("[output.sanitization]\nenabled = true\n")
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(document),
            "--url", api.url, "--header", f"Authorization: Bearer {api.tokens[Role.ADMIN]}",
            "--checks", CHECKS, "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing",
            "--exclude-path", "/SophonFogSys/api/EventAction", "--exclude-path", "/api/v1/events/stream",
            "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "20",
            "--seed", "1", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout[-500:])  # noqa: T201 - how many requests there were
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
