"""A private RabbitMQ node: real, on free loopback ports, in a directory of its own, gone when it is closed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
from pydantic import SecretStr

from sophon.contract import Exchange, RabbitMq
from sophon.errors import Code, SophonError

START_SECONDS = 120.0
STOP_SECONDS = 30.0
COMMAND_SECONDS = 60.0

#: Debian's wrappers in /usr/sbin change to the user `rabbitmq`; the scripts they wrap run as the caller.
_SCRIPT_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin")


def find_broker() -> Path | None:
    """The folder that holds RabbitMQ's own scripts, or None where RabbitMQ is not installed."""
    for folder in _SCRIPT_FOLDERS:
        if (Path(folder) / "rabbitmq-server").is_file():
            return Path(folder)
    found = shutil.which("rabbitmq-server")
    return Path(found).resolve().parent if found else None


class BrokerNode:
    """One RabbitMQ node with its own port mapper, cookie, database and log.

    It survives `kill` and `start` with what was durable in it. `close` ends what it started and removes its files.

    Args:
        folder: where its files go; by default a temporary directory of its own.
        configuration: further lines of its ``rabbitmq.conf`` (TLS, limits, time-outs).

    Attributes:
        host, port: where clients connect.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path | None = None, configuration: str = "") -> None:
        self._scripts = find_broker()
        if self._scripts is None or shutil.which("epmd") is None:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED,
                "RabbitMQ is not installed; install it with: apt-get install rabbitmq-server",
            )
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sophon-broker-"))
        self.port, self._mapper_port, self._node_port = _free_ports(3)
        self._node = f"sophon-{secrets.token_hex(4)}@localhost"
        self._server: subprocess.Popen[bytes] | None = None
        self._mapper: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._write_configuration(configuration)

    def __repr__(self) -> str:
        return f"BrokerNode({self.host}:{self.port})"

    def __enter__(self) -> BrokerNode:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the node and wait until it accepts connections.

        Raises:
            SophonError: with the end of its log if it ends or does not answer in time.
        """
        try:
            self._start_mapper()
            assert self._scripts is not None
            self._output = (self.folder / "output.log").open("ab")
            self._server = subprocess.Popen(
                [self._scripts / "rabbitmq-server"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._wait_for(self.port, self._server, START_SECONDS)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Shut the node down in order, as an operator would."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the node at once, as a power cut would. `start` brings it back."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None
        if self._output is not None:
            self._output.close()
            self._output = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the node's clock: connections stay open and nothing is answered."""
        assert self._server is not None, "the node is not running"
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything this node started, and remove its files if the directory was its own."""
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
            self._mapper = None
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on this node (0.5–1 s each) and return what it printed.

        Raises:
            SophonError: with what it printed if it fails.
        """
        assert self._scripts is not None
        done = subprocess.run(
            [self._scripts / "rabbitmqctl", "-q", "-n", self._node, *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED,
                f"rabbitmqctl {arguments[0]} failed: {(done.stderr or done.stdout).strip()}",
            )
        return done.stdout

    def define(self, definitions: dict[str, Any]) -> None:
        """Create virtual hosts, users, permissions, queues and bindings at once, from RabbitMQ's definitions format."""
        file = self.folder / "definitions.json"
        file.write_bytes(orjson.dumps(definitions))
        self.ctl("import_definitions", str(file))
        file.unlink()

    def add_box(self, dev_sno: str, *, bind: bool = False) -> RabbitMq:
        """Create a box's user, virtual hosts and queues; returns the parameters its login answers with.

        Boxes share the virtual host ``/upload`` with the queues for results and for FIQA. With ``bind`` the box
        declares the exchange and binds the queue itself (``unNeedBindExchange`` false).
        """
        lines = RabbitMq(
            host=self.host,
            port=self.port,
            login=dev_sno,
            password=SecretStr(secrets.token_urlsafe(24)),
            queue=f"queue-dev-{dev_sno}",
            v_host=f"/{dev_sno}",
            upload_v_host="/upload",
            upload_queue=f"upload-queue-{dev_sno}",
            fiqa_down_queue="topic.fiqa.download",
            fiqa_upload_queue="topic.fiqa.upload",
            un_need_bind_exchange=not bind,
            exchange=Exchange(
                name=f"exchange-dev-{dev_sno}", type="topic", routing_key=f"routing.dev.{dev_sno}"
            ),
        )
        self.define(box_definitions(lines))
        return lines

    def log_tail(self, lines: int = 30) -> str:
        """The end of what the node printed and logged."""
        files = [self.folder / "output.log", *sorted((self.folder / "log").glob("*.log"))]
        texts = [file.read_text(errors="replace").splitlines() for file in files if file.is_file()]
        return "\n".join(line for text in texts for line in text[-lines:])

    def _write_configuration(self, further: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {self.host}:{self.port}\n"
            "loopback_users = none\n"
            "disk_free_limit.absolute = 50MB\n"
            "log.console = false\n"
            f"{further}\n"
        )

    def _environment(self) -> dict[str, str]:
        assert self._scripts is not None
        return {
            "PATH": f"{self._scripts}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),  # the cookie lives here
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": self.host,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the node instead of waiting for it
        }

    def _start_mapper(self) -> None:
        """Erlang's port mapper, as our own child: a node that finds none starts one that outlives it."""
        if self._mapper is None:
            self._mapper = subprocess.Popen(
                ["epmd", "-port", str(self._mapper_port), "-address", self.host],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._wait_for(self._mapper_port, self._mapper, 10.0)

    def _wait_for(self, port: int, process: subprocess.Popen[bytes], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((self.host, port), timeout=1):
                return
            time.sleep(0.05)
        raise SophonError(
            Code.SERVER_PROCESS_FAILED, f"RabbitMQ did not start within {seconds:.0f} s:\n{self.log_tail()}"
        )


def box_definitions(lines: RabbitMq) -> dict[str, Any]:
    """What a box's login parameters need at the broker, in RabbitMQ's definitions format."""
    queues = [
        (lines.v_host, lines.queue),
        (lines.upload_v_host, lines.upload_queue),
        (lines.upload_v_host, lines.fiqa_down_queue),
        (lines.upload_v_host, lines.fiqa_upload_queue),
    ]
    hosts = dict.fromkeys((lines.v_host, lines.upload_v_host))
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": host} for host in hosts],
        "users": [
            {
                "name": lines.login,
                "password_hash": _password_hash(lines.password.get_secret_value()),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
            }
        ],
        "permissions": [{"user": lines.login, "vhost": host, **everything} for host in hosts],
        "queues": [
            {"name": queue, "vhost": host, "durable": True, "auto_delete": False, "arguments": {}}
            for host, queue in queues
            if queue
        ],
    }


def _password_hash(password: str) -> str:
    """RabbitMQ's form: base64 of four bytes of salt and SHA-256 of salt + password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
