-- For sums of usage by day, user and resource: all that they need, in the order in which
-- they are shown. recorded_at is in it again because an index with an expression is read
-- alone only if it has the columns of the expression, too. "IF NOT EXISTS": where the table
-- is large the index can be made CONCURRENTLY beforehand.
CREATE INDEX IF NOT EXISTS usages_by_day
    ON usages (((recorded_at AT TIME ZONE 'UTC')::date), user_id, resource COLLATE "C")
    INCLUDE (recorded_at, credits, refunded, uncollected);
