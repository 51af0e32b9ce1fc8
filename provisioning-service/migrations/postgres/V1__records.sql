-- What the service keeps beside the state of the synchronisation. Every key and every index begins with the tenant, but for
-- the lease, whose name has the tenant in it. Nothing counts across tenants. Text is compared byte by byte.

-- What a tenant's writes take in turn: who writes holds its row until the end, so that numbers are seen in their order.
CREATE TABLE head (
  tenant   text   COLLATE "C" PRIMARY KEY,
  -- Counts commits; a record's version is the count at its last write, so that a version never comes twice.
  revision bigint NOT NULL,
  -- The last entry of a journal.
  entry    bigint NOT NULL
);

CREATE TABLE record (
  tenant  text   COLLATE "C" NOT NULL,
  kind    text   COLLATE "C" NOT NULL,
  id      text   COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  -- JSON as it was written. Not jsonb, which has no U+0000 and other numbers.
  value   text   COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, kind, id)
);

CREATE TABLE entry (
  tenant     text   COLLATE "C" NOT NULL,
  journal    text   COLLATE "C" NOT NULL,
  sequence   bigint NOT NULL,
  -- Milliseconds since 1970.
  at         bigint NOT NULL,
  job        text   COLLATE "C" NOT NULL,
  object     text   COLLATE "C" NOT NULL,
  object_key text   COLLATE "C" NOT NULL,
  action     text   COLLATE "C" NOT NULL,
  status     text   COLLATE "C" NOT NULL,
  body       text   COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, journal, sequence)
);
CREATE INDEX entry_job ON entry (tenant, journal, job, sequence);
CREATE INDEX entry_time ON entry (tenant, journal, at);

CREATE TABLE lease (
  name    text   COLLATE "C" PRIMARY KEY,
  holder  text   COLLATE "C" NOT NULL,
  fence   bigint NOT NULL,
  -- Milliseconds since 1970, by the clock of whoever took it.
  expires bigint NOT NULL
);
