"""The Chinese texts that platforms show: part of the contract for successes, one short text per code for failures."""

from __future__ import annotations

from collections.abc import Sequence

from sophon.errors import Code

COMMAND_DONE = {
    "add_users_plus": "下发人员MQ命令执行成功",
    "delete_users": "删除人员MQ命令执行成功",
    "wipe_data": "重置数据成功",
    "sync_permissions": "同步权限组信息MQ命令执行成功",
    "fiqa": "检测图片质量MQ命令执行成功",
    "control_config": "执行陌生人入库开关命令执行成功",
}

PERSON_ADDED = "人员下发成功"
PERSON_DELETED = "人员删除成功"
PERSON_NOT_DELETED = "人员删除失败"
PERMISSION_SYNCED = "权限组信息同步成功"

_FAILURE = {
    Code.SUCCESS: "成功",
    Code.BAD_REQUEST: "请求失败",
    Code.UNSUPPORTED_CONTENT_TYPE: "不支持的内容类型",
    Code.EMPTY_REQUEST_JSON: "请求内容为空",
    Code.IMAGE_ERROR: "图片无法解码",
    Code.NO_FACE: "无法检测到人脸",
    Code.BOOLEAN_ARGUMENT_ERROR: "布尔参数错误",
    Code.LOW_QUALITY: "人脸质量不合格",
    Code.IMAGE_TOO_LARGE: "图片过大",
    Code.EMPTY_GROUP: "比对组为空",
    Code.FACE_TOO_SMALL: "人脸尺寸过小",
    Code.BAD_FEATURE: "人脸特征无效",
    Code.IDENTITY_EXISTS: "人员已存在",
    Code.GROUP_NAME_ERROR: "组名错误",
    Code.GROUP_NOT_LOADED: "人脸库未加载",
    Code.STRANGER_NOT_DELETED: "陌生人不能删除",
    Code.GALLERY_FULL: "人脸库已满",
    Code.PARAM_ERROR: "参数错误",
    Code.FOG_PARAM_ERROR: "参数错误",
    Code.UNAUTHORIZED: "未授权",
    Code.FORBIDDEN: "禁止访问",
    Code.NOT_FOUND: "未找到",
    Code.ID_NOT_FOUND: "编号不存在",
    Code.FOG_NOT_FOUND: "资源不存在",
    Code.METHOD_NOT_ALLOWED: "不支持的请求方法",
    Code.PAYLOAD_TOO_LARGE: "请求内容过大",
    Code.TOO_MANY_REQUESTS: "请求过于频繁",
    Code.FOG_CONTENT_TYPE_ERROR: "内容类型错误",
    Code.SERVER_PROCESS_FAILED: "服务处理失败",
    Code.REMOTE_SERVER_FAILED: "远程服务请求失败",
    Code.REMOTE_DATA_FAILED: "远程服务数据错误",
    Code.NOT_IMPLEMENTED: "功能未提供",
    Code.SERVICE_BUSY: "服务繁忙",
}


def failure(code: Code, items: Sequence[str] = ()) -> str:
    """The text for a code; ``items`` are the FIQA items that failed, which 40006 lists (``人脸质量不合格: clarity``)."""
    text = _FAILURE[code]
    return f"{text}: {', '.join(items)}" if items else text
