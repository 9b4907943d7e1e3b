-- When the last of the used tokens were exchanged, 8 bytes each (big-endian microseconds
-- since 1970, UTC), oldest first. Those used before this column was there have no time.
ALTER TABLE sessions ADD COLUMN used_at BLOB NOT NULL DEFAULT x'';
-- The last of these tells the same.
ALTER TABLE sessions DROP COLUMN rotated_at;
