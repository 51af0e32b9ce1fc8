-- States of synchronisations. Every key and every index begins with the tenant and the job; nothing counts across jobs. Text is
-- compared byte by byte.

CREATE TABLE sync_state (
  tenant   text COLLATE "C" NOT NULL,
  job      text COLLATE "C" NOT NULL,
  -- The form of the rows; a program that knows an older one leaves them alone.
  format   integer NOT NULL,
  -- Counts commits.
  revision bigint  NOT NULL,
  PRIMARY KEY (tenant, job)
);

-- By which a working copy knows that its past is the past of this state, and not of one that was restored or made anew.
CREATE TABLE sync_commit (
  tenant   text   COLLATE "C" NOT NULL,
  job      text   COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  stamp    bigint NOT NULL,
  PRIMARY KEY (tenant, job, revision)
);

-- What the state consists of: the rows of the working copies, by table and key.
CREATE TABLE sync_row (
  tenant   text     COLLATE "C" NOT NULL,
  job      text     COLLATE "C" NOT NULL,
  kind     smallint NOT NULL,
  key      text     COLLATE "C" NOT NULL,
  -- Of the commit that wrote it last.
  revision bigint   NOT NULL,
  -- Rows of columns in JSON; NULL for one that is gone, kept for a while so that working copies learn of it.
  body     text     COLLATE "C",
  PRIMARY KEY (tenant, job, kind, key)
);
CREATE INDEX sync_row_revision ON sync_row (tenant, job, revision, kind, key);

-- Lines by which cycles are taken back.
CREATE TABLE sync_undo (
  tenant text   COLLATE "C" NOT NULL,
  job    text   COLLATE "C" NOT NULL,
  cycle  text   COLLATE "C" NOT NULL,
  line   bigint NOT NULL,
  body   text   COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, job, cycle, line)
);
