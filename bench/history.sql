-- Allocations number :first to :last - 1, spread over :users users, with their entries and
-- keys. An account's entries are numbered on from those that are there.
BEGIN;
INSERT INTO accounts (user_id, created_at, updated_at)
SELECT 'user-' || i, now(), now() FROM generate_series(1, :users) i
ON CONFLICT DO NOTHING;

CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT
    user_id,
    -- A UUIDv7 of now: see migrations/accounting/postgres/0003_copy_legacy_accounts.sql.
    encode(
        set_bit(set_bit(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6
            ),
        52, 1), 53, 1),
        'hex'
    )::uuid AS id,
    last_seq + row_number() OVER (PARTITION BY user_id) AS seq,
    n
FROM generate_series(:first, :last - 1) n
JOIN accounts ON accounts.user_id = 'user-' || (1 + n % :users);

INSERT INTO credit_allocations (user_id, id, credits, remaining, reason, actor, recorded_at)
SELECT user_id, id, 100, 100, 'bench', 'client:bench', now() FROM made;

INSERT INTO entries
    (user_id, seq, kind, credits, balance_after, reserved_after, draws, reference, actor, recorded_at,
     made_digest, hash)
SELECT
    user_id, seq, 'allocation', 100, 100 * seq, 0,
    json_build_array(json_build_object('allocation_id', id, 'remaining', 100)),
    id, 'client:bench', now(), sha256(uuid_send(id)), sha256(uuid_send(id))
FROM made;

INSERT INTO idempotency_keys (user_id, client, key, fingerprint, resource, reply, recorded_at)
SELECT
    user_id, '01980000-0000-7000-8000-00000000000c', 'history-' || n, sha256(uuid_send(id)),
    'allocations/' || id, convert_to(repeat('reply ', 100), 'UTF8'), now()
FROM made;

UPDATE accounts
SET available = available + 100 * made.entries, last_seq = last_seq + made.entries,
    last_entry_at = now(), chain_head = sha256(convert_to(accounts.user_id, 'UTF8'))
FROM (SELECT user_id, count(*) AS entries FROM made GROUP BY user_id) AS made
WHERE accounts.user_id = made.user_id;
COMMIT;
