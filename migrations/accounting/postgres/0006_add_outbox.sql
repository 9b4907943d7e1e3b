-- Events of what was booked, written with it, until they are published: in the order in
-- which they were written. Written under the lock of their account, so that the events of
-- one account stand in the order of its entries.
--
-- Rows live for moments. Half of each page is left for the lease that every row is given, and
-- the table is cleaned by how much was deleted, not by which part of it that is.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    user_id text COLLATE "C" NOT NULL,
    routing_key text NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL,
    traceparent text,
    written_at timestamptz NOT NULL,
    -- The relay that holds it (its fencing token) and until when.
    lease_token uuid,
    lease_until timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
