"""The status as Prometheus metrics, on a port of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from types import TracebackType
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sophon.errors import ConfigError
from sophon.status import StatusReport

# Counters of the store that number or mark something instead of counting it.
_NO_COUNTS = frozenset({"seq", "wiped_at"})


class MetricsServer:
    """Serves what ``report`` says, while it is open."""

    def __init__(self, report: Callable[[], StatusReport | None], host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._registry = CollectorRegistry()
        self._registry.register(_StatusCollector(report))
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> MetricsServer:
        """Begin to serve. Raises ConfigError if the address can't be had."""
        try:
            self._server, self._thread = start_http_server(self._port, self._host, self._registry)
        except OSError as error:
            raise ConfigError(
                f"metrics_port: {self._host}:{self._port} can't be used ({error.strerror}); set another metrics_port"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _StatusCollector(Collector):
    def __init__(self, report: Callable[[], StatusReport | None]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        if report is None:
            return
        yield GaugeMetricFamily(
            "sophon_consuming", "1 while commands are taken in.", report.phase == "consuming"
        )
        yield GaugeMetricFamily("sophon_people", "People enrolled.", report.people)
        yield GaugeMetricFamily("sophon_people_recognisable", "People in the gallery.", report.recognisable)
        yield GaugeMetricFamily("sophon_room", "1 while there is room for more commands.", not report.no_room)
        yield _labelled("sophon_link_up", "1 while the line to the broker is up.", "link",
                        {name: int(link.phase == "up") for name, link in report.links.items()})  # fmt: skip
        yield _labelled("sophon_inbox_commands", "Commands by state.", "state", report.inbox)
        yield _labelled("sophon_outbox_results", "Results owed, by kind.", "kind", report.outbox)
        yield _labelled("sophon_frame_age_seconds", "Age of each stream's newest frame.", "device",
                        {ip: age for ip, age in report.frame_ages.items() if age is not None})  # fmt: skip
        captures = CounterMetricFamily(
            "sophon_captures", "What became of captures since the start.", labels=["what"]
        )
        for what, number in report.recognition.items():
            captures.add_metric([what], number)
        yield captures
        for name, value in report.counters.items():
            if name not in _NO_COUNTS:
                yield CounterMetricFamily(
                    f"sophon_{name}", f"Since the data directory was made: {name}.", value
                )


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
