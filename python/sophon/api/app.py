"""The application: every call of the API, put together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from sophon import __version__
from sophon.api import backups, faces, groups, jobs, permissions, receivers, sophon_mq, users, v1, wipe
from sophon.api.answers import JsonResponse, install_handlers
from sophon.api.guard import Access, Guard
from sophon.api.openapi import describe
from sophon.api.services import Services

#: They are asked in this order; those that a door waits for come first.
ROUTERS = (
    faces.router,
    sophon_mq.router,
    permissions.router,
    groups.router,
    users.router,
    receivers.router,
    wipe.router,
    v1.router,
    jobs.router,
    backups.router,
)


def make_app(services: Services) -> FastAPI:
    """The calls over a box, without the guard."""
    app = FastAPI(
        title="Sophon",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    install_handlers(app)
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/health", include_in_schema=False)
    def health() -> JsonResponse:
        return JsonResponse({"data": {"status": "ok"}})

    document: dict[str, Any] = {}

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> JsonResponse:
        if not document:
            document.update(describe(app, ROUTERS))
        return JsonResponse(document)

    return app


def guarded_app(services: Services, access: Access) -> ASGIApp:
    """The calls over a box, behind the guard."""
    return Guard(make_app(services), access)
