"""Results go out: a row leaves the outbox when the broker has confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from sophon.mq.link import Session
from sophon.store import Kind, OutboxRow, Store, StoreUnavailableError

GROUP = 50
WAIT_S = 0.5
PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class Publisher:
    """Serves a `Link`: delivers results of some kinds, in order, to one queue; ``delivered`` hears when some are gone."""

    def __init__(
        self,
        queue: str,
        kinds: Sequence[Kind],
        store: Store,
        *,
        prepare: Callable[[Session], None],
        delivered: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._kinds = tuple(kinds)
        self._store = store
        self._prepare = prepare
        self._delivered = delivered

    def serve(self, session: Session) -> None:
        """Publish until the link closes; raises UndeliverableError while the queue takes nothing."""
        self._prepare(session)
        # The first alone: where it can't be delivered, those behind it must not get there before it.
        at_once = 1
        while not session.stopping:
            with self._store.read() as snapshot:
                rows = snapshot.outbox.oldest(self._kinds, at_once)
            if rows:
                self._publish(session, rows)
                at_once = GROUP
            else:
                session.idle(WAIT_S)

    def _publish(self, session: Session, rows: list[OutboxRow]) -> None:
        confirmed: list[int] = []
        try:
            places = session.publish(self._queue, [(row.body, row.message_id) for row in rows])
            confirmed.extend(rows[place].id for place in places)
        finally:
            if confirmed:
                self._let_go(session, confirmed)

    def _let_go(self, session: Session, confirmed: list[int]) -> None:
        """Note what is delivered. A store that can't be written now is waited for, or all would be delivered again."""
        noted = False
        while not noted:
            try:
                with self._store.write() as transaction:
                    transaction.outbox.delivered(confirmed)
                    transaction.counters.add("results_published", len(confirmed))
                noted = True
            except StoreUnavailableError as error:  # noqa: PERF203 - a try is a transaction
                if session.stopping:
                    raise
                _log.warning("delivered results can't be noted", queue=self._queue, reason=str(error))
                session.wait(PAUSE_S)
        self._delivered()
