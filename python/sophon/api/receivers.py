"""/SophonFogSys/api: what gates do, and who hears of events and of the box's status."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here, Services
from sophon.contract import Message
from sophon.contract.rest import (
    ControllerMode,
    Data,
    EventAction,
    EventActionDone,
    EventServerUrl,
    GateAction,
    HistoryEventUrl,
    HistoryEventUrlSet,
    MonitorServer,
    MonitorServerUrl,
)
from sophon.doors import Order, send_order
from sophon.reports.receivers import EVENT_SERVER, HISTORY_SERVER, MONITOR_SERVER

CONTROLLER_MODE = "gate_controller_mode"
ACTION_SECONDS = 2.0
SET = "set success"

M = TypeVar("M", bound=Message)

router = APIRouter(prefix="/SophonFogSys/api", tags=["SophonFogSys"])


@router.post("/GateControllerMode", response_model=Data[ControllerMode])
def put_controller_mode(here: Here, body: Annotated[ControllerMode, reads(ControllerMode)]) -> JsonResponse:
    """Set what a gate does by itself when someone is recognised."""
    mode = ControllerMode(controller_mode=body.controller_mode)
    _keep(here, CONTROLLER_MODE, mode)
    return answer(mode)


@router.get("/GateControllerMode", response_model=Data[ControllerMode])
def get_controller_mode(here: Here) -> JsonResponse:
    """Return what a gate does by itself when someone is recognised."""
    return answer(_kept(here, CONTROLLER_MODE, ControllerMode) or ControllerMode(controller_mode="opendoor"))


@router.put("/EventAction", response_model=Data[EventActionDone])
def event_action(here: Here, body: Annotated[EventAction, reads(EventAction, forms=False)]) -> JsonResponse:
    """Order gates to open, close or sound the alarm: one HTTP POST of JSON to each."""
    for action in body.action:
        here.station.check_callable(_gate_url(action))
    for action in body.action:
        order = Order(action.action_mode, action.action_duration, action.logic_port)
        send_order(_gate_url(action), order, ACTION_SECONDS)
    return answer(EventActionDone(message="action success", action_mode=body.action[-1].action_mode))


@router.post("/EventServerUrl", response_model=Data[EventServerUrl])
def put_event_server(here: Here, body: Annotated[EventServerUrl, reads(EventServerUrl)]) -> JsonResponse:
    """Set who hears of recognitions as they happen; an empty list is nobody."""
    for url in body.event_server_url:
        here.station.check_callable(url)
    whole = EventServerUrl(
        content_type=body.content_type,
        event_server_url=body.event_server_url,
        real_need_reg_pic=body.real_need_reg_pic,
    )
    _keep(here, EVENT_SERVER, whole)
    return answer(whole)


@router.get("/EventServerUrl", response_model=Data[EventServerUrl])
def get_event_server(here: Here) -> JsonResponse:
    """Return who hears of recognitions as they happen."""
    nobody = EventServerUrl(content_type="json", event_server_url=[], real_need_reg_pic=True)
    return answer(_kept(here, EVENT_SERVER, EventServerUrl) or nobody)


@router.post("/HistoryEventUrl", response_model=Data[HistoryEventUrlSet])
def put_history_server(here: Here, body: Annotated[HistoryEventUrl, reads(HistoryEventUrl)]) -> JsonResponse:
    """Set who gets every event, sooner or later; an empty list is nobody."""
    for url in body.history_upload_event_url:
        here.station.check_callable(url)
    whole = HistoryEventUrl(
        content_type=body.content_type,
        history_upload_event_url=body.history_upload_event_url,
        history_need_reg_pic=body.history_need_reg_pic,
        reported_peroid=body.reported_peroid,
    )
    _keep(here, HISTORY_SERVER, whole)
    return answer(HistoryEventUrlSet.model_validate({**whole.to_wire(), "message": SET}))


@router.get("/HistoryEventUrl", response_model=Data[HistoryEventUrlSet])
def get_history_server(here: Here) -> JsonResponse:
    """Return who gets every event."""
    kept = _kept(here, HISTORY_SERVER, HistoryEventUrl) or HistoryEventUrl(
        content_type="json", history_upload_event_url=[], history_need_reg_pic=True, reported_peroid=20
    )
    return answer(HistoryEventUrlSet.model_validate({**kept.to_wire(), "message": ""}))


@router.post("/MonitorServerUrl", response_model=Data[str])
def put_monitor_server(
    here: Here, body: Annotated[MonitorServerUrl, reads(MonitorServerUrl)]
) -> JsonResponse:
    """Set who gets the box's status."""
    here.station.check_callable(body.monitor_server_url)
    _keep(
        here,
        MONITOR_SERVER,
        MonitorServer(monitor_server_url=body.monitor_server_url, reported_peroid=body.reported_peroid),
    )
    return JsonResponse({"data": "ok"})


@router.get("/MonitorServerUrl", response_model=Data[MonitorServer])
def get_monitor_server(here: Here) -> JsonResponse:
    """Return who gets the box's status."""
    nobody = MonitorServer(monitor_server_url="", reported_peroid=20)
    return answer(_kept(here, MONITOR_SERVER, MonitorServer) or nobody)


def _keep(here: Services, name: str, value: Message) -> None:
    with here.store.write() as transaction:
        transaction.settings.set(name, value.to_wire())


def _kept(here: Services, name: str, model: type[M]) -> M | None:
    with here.store.read() as snapshot:
        value = snapshot.settings.get(name)
    return None if value is None else model.model_validate(value)


def _gate_url(action: GateAction) -> str:
    host = f"[{action.action_ip}]" if ":" in action.action_ip else action.action_ip
    return f"http://{host}:{action.action_port}/"
