"""The pictures of a camera's stream or a video file, decoded by FFmpeg, each in its own size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import av
import numpy as np
from av.container import InputContainer

from sophon.engine.photo import MAX_PHOTO_PIXELS, Image
from sophon.errors import Code, SophonError

# A camera that says nothing, or nothing that can be decoded, for so long is asked anew.
SILENT_S = 5.0
# What a camera that floods is slowed down to, once it is so far ahead, and what a damaged file's own rate is bounded by.
MAX_FPS = 60.0
AHEAD_S = 1.0

#: Makes a picture, BGR uint8 (H, W, 3), of what was decoded; nothing is converted that nobody looks at.
Picture = Callable[[], Image]


def pictures_of(address: str, *, paced: bool) -> Iterator[Picture]:
    """The pictures of a URL or file, as they come or, ``paced``, at the file's own rate.

    Raises SophonError where it can't be opened, breaks off, is silent for `SILENT_S`, or is too large.
    """
    options = {"max_pixels": str(MAX_PHOTO_PIXELS)}
    if address.startswith("rtsp"):
        # Lost packets make grey faces.
        options["rtsp_transport"] = "tcp"
    try:
        container = av.open(address, options=options, timeout=SILENT_S)
    except av.FFmpegError as error:
        raise SophonError(Code.REMOTE_SERVER_FAILED, f"it can't be opened: {_reason(error)}") from None
    with container:
        try:
            for frame in _decoded(container, paced=paced):
                yield _picture(frame)
        except av.FFmpegError as error:
            raise SophonError(Code.REMOTE_DATA_FAILED, f"it broke off: {_reason(error)}") from None


def _decoded(container: InputContainer, *, paced: bool) -> Iterator[av.VideoFrame]:
    if not container.streams.video:
        raise SophonError(Code.REMOTE_DATA_FAILED, "there is no video in it")
    stream = container.streams.video[0]
    codec = stream.codec_context
    if codec.width * codec.height > MAX_PHOTO_PIXELS:
        raise SophonError(Code.IMAGE_TOO_LARGE, f"its frames have {codec.width} × {codec.height} pixels")
    # A thread decodes each stream already; more would hold frames back.
    codec.thread_count = 1
    codec.options = {"max_pixels": str(MAX_PHOTO_PIXELS)}
    pause = 1 / (min(max(float(stream.average_rate or 25), 1.0), MAX_FPS) if paced else MAX_FPS)
    due = decoded_at = time.monotonic()
    for packet in container.demux(stream):
        for frame in _frames(packet):
            yield frame
            due = max(due + pause, time.monotonic() - AHEAD_S)
            time.sleep(max(due - time.monotonic(), 0.0))
            decoded_at = time.monotonic()
        if time.monotonic() - decoded_at > SILENT_S:
            raise SophonError(Code.REMOTE_DATA_FAILED, "nothing in it can be decoded")


def _frames(packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
    """What a packet holds: nothing, where it is garbage; what a lost packet spoilt is left out."""
    try:
        return [frame for frame in packet.decode() if not frame.is_corrupt]
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return []


def _picture(frame: av.VideoFrame) -> Picture:
    def picture() -> Image:
        try:
            image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        except (av.FFmpegError, ValueError) as error:
            raise SophonError(
                Code.IMAGE_ERROR, f"frames of {frame.format.name} can't be converted"
            ) from error
        # Telephones say how they were held.
        turns = frame.rotation // 90
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    return picture


def _reason(error: av.FFmpegError) -> str:
    """Never the address: it may hold a password."""
    return "nothing came in time" if isinstance(error, av.error.ExitError) else str(error.strerror)
