-- The queue of the embedded broker and its dead letters. Times are microseconds since 1970.

CREATE TABLE messages (
    -- The place in the queue, never used again.
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id   TEXT NOT NULL,
    routing_key  TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body         BLOB NOT NULL,
    traceparent  TEXT,
    -- How often it was sent to wait for another attempt.
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- How often it was delivered since it took this place.
    deliveries   INTEGER NOT NULL DEFAULT 0,
    -- When it may be delivered; 0 is at once, whatever the clock does.
    available_at INTEGER NOT NULL DEFAULT 0,
    -- The subscription that holds it unsettled.
    owner        TEXT
) STRICT;

CREATE INDEX messages_waiting ON messages (seq, available_at) WHERE owner IS NULL;
CREATE INDEX messages_owned ON messages (owner) WHERE owner IS NOT NULL;

CREATE TABLE dead_letters (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id   TEXT NOT NULL,
    routing_key  TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body         BLOB NOT NULL,
    traceparent  TEXT,
    reason       TEXT NOT NULL,
    dead_since   INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_id ON dead_letters (message_id, seq);
