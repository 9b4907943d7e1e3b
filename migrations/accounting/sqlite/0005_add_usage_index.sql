-- For sums of usage by day, user and resource, as migrations/accounting/postgres has it. A
-- day is 86,400,000,000 microseconds. SQLite sorts NULL first: usages without a resource come
-- last by the column before it.
CREATE INDEX usages_by_day
    ON usages (recorded_at / 86400000000, user_id, resource IS NULL, resource, credits, refunded, uncollected);
