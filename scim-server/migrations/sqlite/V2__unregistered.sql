-- Names that a resource type has, so that a start notices when its schemas are others than before. NULL: not known yet.
ALTER TABLE resource_type ADD COLUMN names TEXT;

-- What resources hold under names that are not registered now: neither shown nor written, and put back into `body` when
-- the names are registered again.
CREATE TABLE unregistered (
    tenant INTEGER NOT NULL,
    rid    INTEGER NOT NULL,
    -- A JSON object of the same shape as `body`.
    data   TEXT NOT NULL,
    PRIMARY KEY (tenant, rid),
    FOREIGN KEY (tenant, rid) REFERENCES resource (tenant, rid) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
