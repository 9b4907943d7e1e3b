-- How often a dead letter was sent to wait for another attempt before it was given up on.
ALTER TABLE dead_letters ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
