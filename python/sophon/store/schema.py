"""The database's schema as a list of migrations; version N is reached by applying the first N of them.

A migration that has been released is never edited: append another.
"""

from __future__ import annotations

# Photographs and aligned crops are blobs in this file, not files beside it: they then come and go in the same transaction
# as the person, `secure_delete` overwrites them, and no crash can leave an orphan.
_V1 = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE people (
  identity_id TEXT PRIMARY KEY,
  info TEXT NOT NULL,
  register_type INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL
);
CREATE TABLE photos (
  identity_id TEXT PRIMARY KEY REFERENCES people ON DELETE CASCADE,
  sha256 BLOB NOT NULL,
  level TEXT NOT NULL,
  image BLOB NOT NULL
);
CREATE TABLE embeddings (
  identity_id TEXT PRIMARY KEY REFERENCES people ON DELETE CASCADE,
  making_id TEXT NOT NULL,
  vector BLOB NOT NULL
);
CREATE TABLE crops (
  identity_id TEXT PRIMARY KEY REFERENCES people ON DELETE CASCADE,
  image BLOB NOT NULL
);
CREATE TABLE tombstones (identity_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE groups (
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL DEFAULT '',
  info TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
INSERT INTO groups (name) VALUES ('default_group');
CREATE TABLE group_members (
  identity_id TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
  group_name TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
  PRIMARY KEY (identity_id, group_name)
) WITHOUT ROWID;
CREATE INDEX group_members_by_group ON group_members (group_name);

CREATE TABLE permission_groups (
  permission_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  info TEXT NOT NULL DEFAULT '{}',
  last_seq INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE person_permissions (
  identity_id TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
  permission_id TEXT NOT NULL REFERENCES permission_groups ON DELETE CASCADE,
  PRIMARY KEY (identity_id, permission_id)
) WITHOUT ROWID;
CREATE INDEX person_permissions_by_group ON person_permissions (permission_id);

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  spot_picture BLOB,
  face_picture BLOB
);

CREATE TABLE inbox (
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  lane TEXT NOT NULL CHECK (lane IN ('command', 'fiqa')),
  method TEXT NOT NULL,
  message_id TEXT,
  body_sha256 BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('new', 'planned', 'running', 'done', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0,
  repeats INTEGER NOT NULL DEFAULT 0,
  received_at INTEGER NOT NULL,
  finished_at INTEGER,
  code INTEGER,
  reason TEXT NOT NULL DEFAULT '',
  notify_path TEXT,
  result BLOB
);
-- Bodies stand apart: SQLite rewrites a whole row, large blob included, whenever its state changes.
CREATE TABLE inbox_bodies (
  seq INTEGER PRIMARY KEY REFERENCES inbox ON DELETE CASCADE,
  body BLOB NOT NULL
);
CREATE INDEX inbox_open ON inbox (lane, state, seq) WHERE state IN ('new', 'planned', 'running');
CREATE INDEX inbox_dead ON inbox (seq) WHERE state = 'dead';

CREATE TABLE batch_items (
  seq INTEGER NOT NULL REFERENCES inbox ON DELETE CASCADE,
  position INTEGER NOT NULL,
  identity_id TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  code INTEGER,
  username TEXT NOT NULL DEFAULT '',
  failed_items TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (seq, position)
) WITHOUT ROWID;
CREATE INDEX batch_items_open ON batch_items (identity_id, seq) WHERE code IS NULL;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('result', 'fiqa')),
  notify_path TEXT,
  body BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX outbox_by_kind ON outbox (kind, id);
CREATE INDEX outbox_by_message ON outbox (message_id);
"""

# Nothing wrote events before this version, so the table is made anew. Their pictures stand apart, as message bodies do.
_V2 = """
DROP TABLE events;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  identity_id TEXT NOT NULL,
  identity_name TEXT NOT NULL,
  person_type INTEGER NOT NULL,
  group_name TEXT NOT NULL,
  device_ip TEXT NOT NULL,
  device_type TEXT NOT NULL,
  score REAL NOT NULL,
  details TEXT NOT NULL,
  bytes INTEGER NOT NULL
);
CREATE INDEX events_by_person ON events (identity_id);
CREATE TABLE event_pictures (
  event_id INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE,
  spot BLOB,
  face BLOB
);
CREATE TABLE event_receivers (
  address TEXT PRIMARY KEY,
  delivered_to INTEGER NOT NULL DEFAULT 0,
  is_active INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE refused_events (
  address TEXT NOT NULL,
  event_id INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
  reason TEXT NOT NULL,
  PRIMARY KEY (address, event_id)
) WITHOUT ROWID;
CREATE INDEX refused_events_by_event ON refused_events (event_id);

CREATE TABLE devices (
  ip TEXT PRIMARY KEY,
  device_type TEXT NOT NULL CHECK (device_type IN ('0', '1', '2', '3', '4')),
  name TEXT NOT NULL,
  direction INTEGER NOT NULL CHECK (direction IN (0, 1)),
  group_name TEXT NOT NULL,
  permission_id TEXT NOT NULL,
  memo TEXT NOT NULL,
  location TEXT NOT NULL,
  stream_url TEXT NOT NULL,
  door_url TEXT NOT NULL,
  ftp_user TEXT NOT NULL,
  ftp_password TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX devices_by_ftp_user ON devices (ftp_user) WHERE ftp_user <> '';
"""

_V3 = """
ALTER TABLE inbox ADD COLUMN replays INTEGER;
CREATE INDEX inbox_replays ON inbox (replays, seq) WHERE replays IS NOT NULL;
CREATE INDEX inbox_without_id ON inbox (body_sha256, seq) WHERE lane = 'command' AND message_id IS NULL;
"""

# Who was deleted, as keyed hashes, so that a restored backup does not bring them back; and the index by which what a job
# still says of a person is found when the person is deleted.
_V4 = """
CREATE TABLE erasures (digest BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX erasures_by_seq ON erasures (seq);
INSERT INTO settings VALUES ('pseudonym_key', json_quote(hex(randomblob(32))));
CREATE INDEX batch_items_by_person ON batch_items (identity_id);
"""

# Events' pictures are encrypted where enrolment photographs are: the next start finds that there is something to do.
_V5 = """
UPDATE settings SET value = '"mixed"' WHERE name = 'enrolment_photos' AND value = '"encrypt"';
"""

# Bodies of answered commands wait here until they are deleted together: pages that the next ones take are written once.
_V6 = """
CREATE TABLE spent_bodies (seq INTEGER PRIMARY KEY REFERENCES inbox ON DELETE CASCADE);
"""

MIGRATIONS = (_V1, _V2, _V3, _V4, _V5, _V6)
