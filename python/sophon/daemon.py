"""The daemon: everything put together, from the login to the lines, and the watch over it."""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import structlog

from sophon import __version__
from sophon.allocator import settle_memory, trim_memory
from sophon.api import Access, Analyses, ApiServer, Services, TlsFiles, guarded_app
from sophon.audit import AuditLog
from sophon.box import Box
from sophon.calibration import load_calibration
from sophon.commands import Enroller, Executor, Incoming, Lanes, Room, Trial, forget_names
from sophon.config import Settings
from sophon.contract import RabbitMq
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.login import LoginKeeper
from sophon.metrics import MetricsServer
from sophon.models import ModelPack
from sophon.mq import BrokerLines, LineOptions, Tls
from sophon.photo_key import photo_keeping
from sophon.pipeline import RecognitionPipeline
from sophon.platform import Notifier, PlatformClient
from sophon.status import LinkReport, Rates, StatusReport, read_store, write_status
from sophon.store import Store, StoreUnavailableError, open_or_salvage
from sophon.tokens import Role, TokenCheck, all_tokens, new_token

KEEP_DONE = 100_000
KEEP_DONE_SECONDS = 7 * 24 * 3600
KEEP_DEAD = 1_000
TICK_S = 0.1
WATCH_SECONDS = 1.0
TIDY_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Settings that the API may change.
MOVABLE = ("dev_sno", "login_url")
FIRST_TOKEN = """
The HTTP API's first token, for administrators. It is shown this once and kept as a hash only:

    {token}

More: sophon token new|list|revoke
"""

_log = structlog.get_logger(__name__)


class Daemon:
    """A running box. Making one opens nothing; `run` does, and closes it again."""

    def __init__(self, settings: Settings, *, only_fiqa: bool = False) -> None:
        self._settings = settings
        self._only_fiqa = only_fiqa
        self._stopping = threading.Event()
        self._started_at = time.time()
        self._rates = Rates()
        self._last_report: StatusReport | None = None
        self._parameters: RabbitMq | None = None
        self._lines: BrokerLines | None = None
        self._notifier: Notifier | None = None
        self._warnings: list[str] = []

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._stopping.set()

    def run(self, ready: Callable[[], None]) -> None:
        """Run until `stop`; call ``ready`` once, when commands are being taken in.

        Raises:
            ConfigError: if the settings don't work on this machine.
            SophonError: if the models can't be loaded, or a thread that nothing works without has ended.
        """
        with ExitStack() as owned:
            self._assemble(owned)
            self._watch(ready)
            _log.info("box stops")
        _log.info("box stopped")

    def _assemble(self, owned: ExitStack) -> None:
        self._store = owned.enter_context(_open_store(self._settings))
        if self._store.convert_photos():
            _log.info("enrolment photographs are kept in another form now", form=self._store.photos.mode)
        self._audit = AuditLog(self._settings.data_dir)
        settings = self._settings = self._with_moves(self._settings)
        models = ModelPack.load(settings.model_dir)
        engine = owned.enter_context(FaceEngine(models))
        calibration = load_calibration(models.directory, engine.making_id)
        if calibration is None:
            _log.warning("these models are not calibrated: scores are cosines; run: sophon calibrate PHOTOS")
        self._box = Box(
            self._store,
            engine,
            capacity=settings.capacity,
            match_threshold=settings.match_threshold,
            calibration=calibration,
            deleted_person_events=settings.deleted_person_events,
            duplicate_faces=settings.duplicate_faces,
        )
        unrecognisable = self._box.load()
        if unrecognisable:
            _log.warning("people enrolled by other models can't be recognised", people=unrecognisable)
        self._platform = owned.enter_context(
            PlatformClient(
                settings.login_url,
                settings.dev_sno,
                allowed_hosts=settings.allowed_hosts,
                own_ports=[port for port in (settings.http_port, settings.metrics_port) if port],
                tls=ssl.create_default_context(cafile=settings.platform_ca_file),
                on_login=lambda login: self._login.take(login),
            )
        )
        self._login = LoginKeeper(self._platform)
        trial = owned.enter_context(Trial(settings.model_dir))
        self._enroller = enroller = Enroller(
            self._store,
            self._box,
            self._platform,
            dev_sno=settings.dev_sno,
            people_per_fetch=settings.people_per_fetch,
            downloads=settings.downloads,
            analyses=settings.analyses,
            trial=trial,
            audit=self._audit,
        )
        owned.callback(enroller.close)
        self._executor = Executor(
            self._store,
            self._box,
            enroller,
            dev_sno=settings.dev_sno,
            patience_s=settings.patience_s,
            trial=trial,
            audit=self._audit,
        )
        self._executor.recover()
        self._room = Room(self._store)
        self._lanes = owned.enter_context(
            Lanes(self._executor, fiqa_workers=settings.fiqa_workers, answered=self._wake_senders)
        )
        self._pipeline = owned.enter_context(
            RecognitionPipeline(
                settings,
                self._store,
                self._box,
                self._platform,
                login=lambda: self._login.latest,
                identity=lambda: (self._settings.login_url, self._settings.dev_sno),
            )
        )
        if settings.http_port:
            analyses = owned.enter_context(Analyses(settings.analyses))
            owned.enter_context(self._api_server(analyses))
        if settings.metrics_port:
            owned.enter_context(
                MetricsServer(lambda: self._last_report, settings.http_host, settings.metrics_port)
            )
        owned.enter_context(self._login)
        owned.callback(self._close_lines)
        settle_memory()
        _log.info(
            "box started", dev_sno=settings.dev_sno, people=len(self._box), data_dir=str(settings.data_dir)
        )

    def _with_moves(self, settings: Settings) -> Settings:
        """The settings with the platform and the code that the API was told last: they win over the configuration."""
        with self._store.read() as snapshot:
            moved = {name: value for name in MOVABLE if (value := snapshot.settings.get(name)) is not None}
        for name in moved:
            if moved[name] != getattr(settings, name):
                _log.warning("set by the API, not as configured", setting=name)
        return settings.model_copy(update=moved)

    def _api_server(self, analyses: Analyses) -> ApiServer:
        settings = self._settings
        with self._store.write() as transaction:
            if not all_tokens(transaction):
                _, token = new_token(transaction, Role.ADMIN, "first")
                # Not through the log, which is kept: this is the one time the token is to be seen.
                print(FIRST_TOKEN.format(token=token), file=sys.stderr, flush=True)  # noqa: T201
        networks = settings.http_open_networks
        if networks:
            self._warnings.append(f"the HTTP API needs no token from {', '.join(networks)}")
            _log.warning("THE HTTP API IS OPEN: no token is needed from some networks", networks=networks)
        certificate, key = settings.http_tls_certificate, settings.http_tls_key
        if certificate is None and settings.http_host not in LOOPBACK:
            self._warnings.append("the HTTP API speaks plain http beyond this machine")
        services = Services(
            store=self._store,
            box=self._box,
            station=self,
            analyses=analyses,
            models=ModelPack.load(settings.model_dir),
            pictures=settings.data_dir / "pictures",
            recogniser=self._pipeline.recogniser,
            on_device=self._pipeline.presence.saw,
        )
        access = Access(
            TokenCheck(self._store),
            self._audit,
            open_networks=tuple(ipaddress.ip_network(network) for network in networks),
            host_names=settings.http_names,
            requests_per_s=settings.http_requests_per_s,
        )
        tls = TlsFiles(certificate, key) if certificate is not None and key is not None else None
        return ApiServer(guarded_app(services, access), settings.http_host, settings.http_port, tls)

    @property
    def dev_sno(self) -> str:
        """The authorisation code in use."""
        return self._settings.dev_sno

    @property
    def login_url(self) -> str:
        """Where the box logs in."""
        return self._settings.login_url

    def move(self, *, dev_sno: str | None = None, login_url: str | None = None) -> None:
        """Take another code or platform: on disk when this returns, and logged in to soon."""
        given = {"dev_sno": dev_sno, "login_url": login_url}
        changes = {name: value for name, value in given.items() if value is not None}
        with self._store.write() as transaction:
            for name, value in changes.items():
                transaction.settings.set(name, value)
            # Inside, so that two moves end in memory as they end on disk.
            settings = self._settings = self._settings.model_copy(update=changes)
            self._executor.dev_sno = self._enroller.dev_sno = settings.dev_sno
        self._platform.move(settings.login_url, settings.dev_sno)
        self._login.log_in_now("DevSno or LoginUrl was set")

    def report(self) -> StatusReport:
        """How the box is, at most a second ago."""
        if self._last_report is None:
            raise SophonError(Code.SERVICE_BUSY, "the box is starting; try again soon")
        return self._last_report

    def wake(self) -> None:
        """There is something new in the inbox."""
        self._lanes.wake()

    def check_room(self) -> None:
        """Refuse what would only pile up in the inbox."""
        if reason := self._room.reason:
            raise SophonError(Code.SERVICE_BUSY, f"no room for more: {reason}; try again later")

    def check_callable(self, url: str) -> None:
        """Refuse an address that this box does not call."""
        self._platform.check_callable(url)

    def _watch(self, ready: Callable[[], None]) -> None:
        is_ready = False
        watched_at = tidied_at = float("-inf")
        while not self._stopping.wait(TICK_S):
            self._follow_login()
            if not is_ready and self._lines is not None and self._lines.are_consuming:
                is_ready = True
                ready()
            now = time.monotonic()
            try:
                if now - watched_at >= WATCH_SECONDS:
                    watched_at = now
                    self._watch_threads()
                    self._store.checkpoint()
                    self._last_report = self._report()
                    write_status(self._settings.data_dir, self._last_report)
                if now - tidied_at >= TIDY_SECONDS:
                    tidied_at = now
                    self._tidy()
            except StoreUnavailableError as error:
                _log.warning("the store can't be used now", reason=str(error))

    def _follow_login(self) -> None:
        """Make the lines that the newest login names, if they are others."""
        login = self._login.latest
        if login is None or login.rabbitmq == self._parameters:
            return
        self._close_lines()
        settings = self._settings
        self._parameters = login.rabbitmq
        options = LineOptions(
            client_name=f"sophon {settings.dev_sno}",
            prefetch=settings.prefetch,
            fiqa_prefetch=2 * settings.fiqa_workers + 2,
            tls=Tls(settings.amqps_ca_file, settings.amqps_server_name) if settings.amqps else None,
            only_fiqa=self._only_fiqa,
        )
        self._lines = BrokerLines(
            login.rabbitmq,
            options,
            self._store,
            read=Incoming.read,
            take_in=self._take_in,
            has_room=self._room.has_room,
            delivered=self._executor.delivered,
            on_trouble=self._login.ask_again,
        )
        self._notifier = Notifier(
            self._store,
            self._lines.kinds_without_queue,
            self._platform.post_result,
            max_age_s=settings.notify_hours * 3600,
        )
        self._lines.start()
        self._notifier.start()

    def _close_lines(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None

    def _take_in(self, messages: Sequence[Incoming], first_of_link: bool) -> list[int]:
        numbers = self._executor.take_in_all(messages, first_of_link=first_of_link)
        self._lanes.wake()
        # A repeated command is answered at once.
        self._wake_senders()
        return numbers

    def _wake_senders(self) -> None:
        lines, notifier = self._lines, self._notifier
        if lines is not None:
            lines.wake()
        if notifier is not None:
            notifier.wake()

    def _watch_threads(self) -> None:
        """A line that stands still is replaced; without the others a box is better started anew."""
        if self._lines is not None:
            self._lines.watch()
        notifier_ended = self._notifier is not None and not self._notifier.is_alive
        if notifier_ended or not self._lanes.are_alive or not self._login.is_alive:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED, "a thread has ended; see the log, and start the box again"
            )

    def _tidy(self) -> None:
        with self._store.write() as transaction:
            transaction.inbox.forget(
                finished_before=int((time.time() - KEEP_DONE_SECONDS) * 1000),
                keep_done=KEEP_DONE,
                keep_dead=KEEP_DEAD,
            )
            oldest = transaction.inbox.oldest_open_seq()
            transaction.people.forget_tombstones(
                before=oldest if oldest is not None else transaction.counters.get("seq") + 1
            )
        forget_names(self._store)
        self._store.set_reserve_aside()
        trim_memory()

    def _report(self) -> StatusReport:
        stored = read_store(self._store)
        lines = self._lines
        return StatusReport(
            version=__version__,
            dev_sno=self._settings.dev_sno,
            pid=os.getpid(),
            started_at=self._started_at,
            written_at=time.time(),
            phase="consuming" if lines is not None and lines.are_consuming else "waiting",
            login=self._login.problem or "ok",
            links={
                name: LinkReport(
                    phase=state.phase.value,
                    reason=state.reason,
                    since=state.since,
                    connections=state.connections,
                )
                for name, state in (lines.states if lines else {}).items()
            },
            no_room=self._room.reason,
            recognisable=len(self._box),
            recognition=self._pipeline.counts,
            receivers=self._pipeline.receivers,
            streams=self._pipeline.streams,
            frame_ages=self._pipeline.frame_ages,
            rates=self._rates.of(stored["counters"]),
            warnings=self._warnings,
            **stored,
        )


def _open_store(settings: Settings) -> Store:
    key = settings.enrolment_photos_key
    photos = photo_keeping(
        settings.enrolment_photos,
        key.get_secret_value() if key is not None else None,
        settings.enrolment_photos_key_file,
    )
    store, salvage = open_or_salvage(settings.data_dir, photos=photos)
    if salvage is not None:
        _log.error(
            "the database was damaged; let the platform send everybody again",
            damage=salvage.damage,
            moved_to=str(salvage.moved_to),
            salvaged={table: rows for table, rows in salvage.rows.items() if rows},
        )
    return store
