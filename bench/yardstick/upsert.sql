-- Users that are written in batches of 300 by UNNEST, each batch committed.
CREATE PROCEDURE upsert(backlog int) LANGUAGE plpgsql AS $$
DECLARE
    ids text[];
    emails text[];
BEGIN
    FOR batch IN 0 .. (backlog - 1) / 300 LOOP
        SELECT array_agg(lpad(to_hex(n), 24, '0')), array_agg('user' || n || '@example.com')
        INTO ids, emails
        FROM generate_series(batch * 300, least(batch * 300 + 299, backlog - 1)) n;
        INSERT INTO users (user_id, version, status, email, display_name, updated_at)
        SELECT user_id, 1767323045678, 'active', email, 'User', now()
        FROM UNNEST(ids, emails) AS new (user_id, email)
        ON CONFLICT (user_id) DO UPDATE
        SET version = excluded.version, status = excluded.status, email = excluded.email,
            display_name = excluded.display_name, updated_at = excluded.updated_at
        WHERE users.version < excluded.version;
        COMMIT;
    END LOOP;
END $$;
CALL upsert(:backlog);
