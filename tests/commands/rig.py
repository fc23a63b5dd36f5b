"""A box without its lines: messages go in by hand, answers are read from the outbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from sophon.box import Box
from sophon.commands import Enroller, Executor, Intake
from sophon.commands.add_users_plus import Platform
from sophon.engine import FaceEngine
from sophon.store import Kind, Store

DEV_SNO = "BOXA0001"


class Rig:
    """Store, box and executor on one directory; `restart` is what a new process would do."""

    def __init__(self, data_dir: Path, engine: FaceEngine, platform: Platform, **options: Any) -> None:
        self.data_dir = data_dir
        self._engine = engine
        self._platform = platform
        self._box_options = {
            name: options.pop(name) for name in ("capacity", "duplicate_faces") if name in options
        }
        self._options = options
        self.open()

    def open(self) -> None:
        self.store = Store(self.data_dir)
        self.box = Box(self.store, self._engine, **self._box_options)
        self.box.load()
        self.enroller = Enroller(
            self.store, self.box, self._platform, dev_sno=DEV_SNO, trial=self._options.get("trial")
        )
        self.executor = Executor(self.store, self.box, self.enroller, dev_sno=DEV_SNO, **self._options)
        self.executor.recover()

    def close(self) -> None:
        self.enroller.close()
        self.store.close()

    def restart(self) -> None:
        self.close()
        self.open()

    def send(self, message: dict[str, Any] | bytes, **how: bool) -> Intake:
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        return self.executor.take_in(body, **how)

    def answers(self) -> list[dict[str, Any]]:
        """The results owed, oldest first; they are taken out of the outbox."""
        with self.store.write() as transaction:
            rows = transaction.outbox.oldest(list(Kind), 10_000)
            transaction.outbox.delivered([row.id for row in rows])
        return [orjson.loads(row.body) for row in rows]

    def do(self, message: dict[str, Any] | bytes) -> dict[str, Any]:
        """Send one command, carry out everything, return its answer."""
        self.send(message)
        self.executor.run_until_idle()
        (answer,) = self.answers()
        return answer

    def people(self) -> set[str]:
        """Who is enrolled, in the store and in the gallery alike."""
        with self.store.read() as snapshot:
            stored = snapshot.people.all_ids()
        assert len(self.box) == len(stored)
        return stored
