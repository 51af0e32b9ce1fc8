-- Connectors are small integers here. Names of attributes are compared by NOCASE, which folds ASCII letters and nothing
-- else, as the engine does; everything else is compared byte by byte. Bodies are JSON.

CREATE TABLE connector (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    -- NULL: nothing is kept of it but its objects.
    state TEXT
) STRICT;

CREATE TABLE metaverse (
    -- Never used again after a deletion.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    object_type TEXT NOT NULL,
    body        TEXT NOT NULL
) STRICT;

-- Identities that the outbound rules have to look at.
CREATE TABLE dirty (
    metaverse INTEGER PRIMARY KEY REFERENCES metaverse (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE metaverse_key (
    attribute TEXT NOT NULL COLLATE NOCASE,
    value     TEXT NOT NULL,
    metaverse INTEGER NOT NULL REFERENCES metaverse (id) ON DELETE CASCADE,
    PRIMARY KEY (attribute, value, metaverse)
) STRICT, WITHOUT ROWID;

CREATE INDEX metaverse_key_of ON metaverse_key (metaverse);

CREATE TABLE object (
    -- Never used again after a deletion.
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    connector      INTEGER NOT NULL REFERENCES connector (id),
    -- 0 staged, 1 placeholder, 2 transient
    kind           INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
    pending_import INTEGER NOT NULL CHECK (pending_import IN (0, 1)),
    pending_export INTEGER NOT NULL CHECK (pending_export IN (0, 1)),
    metaverse      INTEGER REFERENCES metaverse (id),
    object_type    TEXT,
    anchor         TEXT,
    dn             TEXT,
    -- The folded name; NULL where it is not the object's own any more (transient, deleted).
    dn_key         TEXT,
    body           TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX object_anchor ON object (connector, anchor) WHERE anchor IS NOT NULL;
CREATE UNIQUE INDEX object_dn ON object (connector, dn_key) WHERE dn_key IS NOT NULL;
CREATE UNIQUE INDEX object_link ON object (metaverse, connector) WHERE metaverse IS NOT NULL;
-- The lists; the row number is the last column of each.
CREATE INDEX object_all ON object (connector);
CREATE INDEX object_pending_import ON object (connector) WHERE pending_import = 1;
CREATE INDEX object_pending_export ON object (connector) WHERE pending_export = 1;
CREATE INDEX object_linked ON object (connector) WHERE metaverse IS NOT NULL;
CREATE INDEX object_transient ON object (connector) WHERE kind = 2;

-- Beside the object, so that a full read that finds nothing new rewrites no bodies.
CREATE TABLE seen (
    object INTEGER PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
    read   INTEGER NOT NULL
) STRICT;

CREATE TABLE object_key (
    attribute TEXT NOT NULL COLLATE NOCASE,
    value     TEXT NOT NULL,
    object    INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    PRIMARY KEY (attribute, value, object)
) STRICT, WITHOUT ROWID;

CREATE INDEX object_key_of ON object_key (object);

CREATE TABLE edge (
    source    INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    attribute TEXT NOT NULL COLLATE NOCASE,
    target    INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    PRIMARY KEY (source, attribute, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX edge_back ON edge (target, source, attribute);

CREATE TABLE escrow (
    object INTEGER PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
    -- When it is tried again, as RFC 3339 text to the nanosecond in UTC, which sorts.
    next   TEXT,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    -- Never used again.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- As `escrow.next`.
    ended  TEXT,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
