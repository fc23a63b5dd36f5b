"""A real RTSP server (GStreamer's) that plays a motion-JPEG file for ever: `/usr/bin/python3 rtsp_server.py FILE`.

FILE is an AVI, or a pattern of JPEG files (`%02d.jpg`), which may differ in size. The server runs in the system's Python, which has the bindings; it prints its address when it serves.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main(file: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    # Encoded anew: RTP's JPEG allows fewer forms than files have.
    source = f"multifilesrc location={file} loop=true"
    frames = f"{source} ! avidemux" if file.endswith(".avi") else f"{source} caps=image/jpeg,framerate=10/1"
    factory.set_launch(
        f"( {frames} ! jpegdec ! videoconvert ! video/x-raw,format=I420 "
        "! jpegenc ! rtpjpegpay name=pay0 pt=96 )"
    )
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/camera", flush=True)  # noqa: T201
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(sys.argv[1])
