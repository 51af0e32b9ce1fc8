-- What the service keeps beside the state of the synchronisation.

-- Counts commits; a record's version is the count at its last write, so that a version never comes twice.
CREATE TABLE revision (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (id, value) VALUES (1, 0);

CREATE TABLE record (
  tenant  TEXT    NOT NULL,
  kind    TEXT    NOT NULL,
  id      TEXT    NOT NULL,
  version INTEGER NOT NULL,
  value   TEXT    NOT NULL,
  PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_kind ON record (kind, tenant, id);

CREATE TABLE entry (
  sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant     TEXT    NOT NULL,
  journal    TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  job        TEXT    NOT NULL,
  object     TEXT    NOT NULL,
  object_key TEXT    NOT NULL,
  action     TEXT    NOT NULL,
  status     TEXT    NOT NULL,
  body       TEXT    NOT NULL
) STRICT;
CREATE INDEX entry_tenant ON entry (tenant, journal, sequence);
CREATE INDEX entry_job ON entry (tenant, journal, job, sequence);
CREATE INDEX entry_time ON entry (journal, at);

CREATE TABLE lease (
  name    TEXT    PRIMARY KEY,
  holder  TEXT    NOT NULL,
  fence   INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
