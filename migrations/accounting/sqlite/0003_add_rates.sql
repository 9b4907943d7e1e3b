-- Rates, as migrations/accounting/postgres has them.
CREATE TABLE rates (
    resource TEXT NOT NULL PRIMARY KEY CHECK (length(resource) BETWEEN 1 AND 100),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rate_versions (
    resource TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    effective_at INTEGER NOT NULL,
    units TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (resource, version)
) STRICT, WITHOUT ROWID;

ALTER TABLE usages ADD COLUMN units TEXT;
ALTER TABLE usages ADD COLUMN rate_version INTEGER CHECK ((units IS NULL) = (rate_version IS NULL));

-- Made anew, since SQLite cannot change a CHECK: credits may be 0 where units came to that.
CREATE TABLE new_reservations (
    user_id TEXT NOT NULL,
    id BLOB NOT NULL,
    credits INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('held', 'captured', 'released', 'expired')),
    expires_at INTEGER NOT NULL,
    resource TEXT,
    units TEXT,
    rate_version INTEGER,
    metadata TEXT,
    draws TEXT NOT NULL,
    usage_id BLOB,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (user_id, id),
    CHECK ((units IS NULL) = (rate_version IS NULL)),
    CHECK (credits >= 0 AND (credits > 0 OR units IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO new_reservations (user_id, id, credits, status, expires_at, resource, metadata, draws, usage_id,
                              actor, recorded_at, ended_at)
SELECT user_id, id, credits, status, expires_at, resource, metadata, draws, usage_id, actor, recorded_at,
       ended_at
FROM reservations;
DROP TABLE reservations;
ALTER TABLE new_reservations RENAME TO reservations;

CREATE INDEX reservations_by_end ON reservations (user_id, expires_at) WHERE status = 'held';
