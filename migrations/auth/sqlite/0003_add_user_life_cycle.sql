-- What signing in, roles and the life cycle of a user need.
--
-- Two columns of before cannot be NULL: an empty password_hash means none, and an
-- empty request_digest that nothing is kept any more of the request that came with
-- idempotency_key. Neither is empty otherwise.

-- Lower case; NULL for who has none.
ALTER TABLE users ADD COLUMN username TEXT;
-- Words with spaces between.
ALTER TABLE users ADD COLUMN roles TEXT NOT NULL DEFAULT '';
-- A session is good only for the epoch that it began in.
ALTER TABLE users ADD COLUMN session_epoch INTEGER NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX users_username ON users (username) WHERE username IS NOT NULL;
CREATE INDEX users_newest ON users (created_at DESC, user_id DESC);
-- For erasing what waits of one user.
CREATE INDEX outbox_user ON outbox (user_id);
