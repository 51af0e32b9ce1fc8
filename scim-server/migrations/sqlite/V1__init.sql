-- Tenants and resource types are small integers here; their names are in `tenant` and `resource_type`. Every key and
-- index begins with the tenant. Times are milliseconds since 1970. Comparison keys are made by `scim_core::text`, never
-- by a collation of the database, and are compared byte by byte.

-- Facts about the file itself.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (
    -- Never used again after a deletion.
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    -- The time of the last write; later writes are never before it.
    last_at INTEGER NOT NULL,
    -- The number of the last change.
    seq     INTEGER NOT NULL DEFAULT 0,
    -- The hash of the last audit row.
    head    BLOB NOT NULL
) STRICT;

CREATE TABLE resource_type (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Attributes whose values are in `unique_key` or `attr_index`.
CREATE TABLE attribute (
    id   INTEGER PRIMARY KEY,
    type INTEGER NOT NULL REFERENCES resource_type (id),
    path TEXT NOT NULL,
    -- What the keys are made by; another value means that they must be made again.
    rule TEXT NOT NULL,
    UNIQUE (type, path)
) STRICT;

CREATE TABLE resource (
    rid      INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL REFERENCES tenant (id),
    type     INTEGER NOT NULL,
    id       TEXT NOT NULL,
    version  INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    -- Bit 0: the attributes hold references relative to the base URL.
    flags    INTEGER NOT NULL,
    -- What to call it in lists of members and groups.
    label    TEXT,
    password TEXT,
    -- The attributes as compact JSON.
    body     TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX resource_by_id ON resource (tenant, type, id);
CREATE INDEX resource_by_created ON resource (tenant, type, created, id);
CREATE INDEX resource_by_modified ON resource (tenant, type, modified, id);
-- What memberships refer to, so that the database itself refuses one across tenants.
CREATE UNIQUE INDEX resource_in_tenant ON resource (tenant, rid);

CREATE TABLE resource_count (
    tenant INTEGER NOT NULL,
    type   INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (tenant, type)
) STRICT, WITHOUT ROWID;

-- Values that only one resource of a type may have.
CREATE TABLE unique_key (
    tenant INTEGER NOT NULL,
    type   INTEGER NOT NULL,
    attr   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    rid    INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attr, key)
) STRICT, WITHOUT ROWID;

-- Values that resources are often looked up by.
CREATE TABLE attr_index (
    tenant INTEGER NOT NULL,
    type   INTEGER NOT NULL,
    attr   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    rid    INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, attr, key, rid)
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
    tenant INTEGER NOT NULL,
    -- The group.
    grp    INTEGER NOT NULL,
    -- The id of the member: members are read in its order.
    id     TEXT NOT NULL,
    -- The member.
    rid    INTEGER NOT NULL,
    PRIMARY KEY (tenant, grp, id),
    FOREIGN KEY (tenant, grp) REFERENCES resource (tenant, rid),
    FOREIGN KEY (tenant, rid) REFERENCES resource (tenant, rid)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_of ON member (tenant, rid, grp);

-- The change feed: without gaps in each tenant.
CREATE TABLE change (
    tenant     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    -- 1 create, 2 update, 3 membership, 4 delete
    kind       INTEGER NOT NULL,
    type       INTEGER NOT NULL,
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    -- Names of the attributes that changed: a JSON array.
    attributes TEXT NOT NULL,
    added      INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

-- What the audit knows beyond the change of the same number. `hash` is SHA-256 over the previous hash and both rows.
CREATE TABLE audit (
    tenant  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    request TEXT NOT NULL,
    -- JSON; secrets are masked.
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL,
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id        TEXT PRIMARY KEY NOT NULL,
    tenant    INTEGER NOT NULL REFERENCES tenant (id),
    name      TEXT NOT NULL,
    hash      BLOB NOT NULL,
    scopes    TEXT NOT NULL,
    user      TEXT,
    created   INTEGER NOT NULL,
    expires   INTEGER,
    revoked   INTEGER,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX token_by_tenant ON token (tenant, created, id);
