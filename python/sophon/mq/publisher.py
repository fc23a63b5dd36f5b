"""Results go out: a row leaves the outbox when the broker has confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sophon.mq.link import Session
from sophon.store import Kind, OutboxRow, Store

GROUP = 50
WAIT_S = 0.5


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
                with self._store.write() as transaction:
                    transaction.outbox.delivered(confirmed)
                    transaction.counters.add("results_published", len(confirmed))
                self._delivered()
