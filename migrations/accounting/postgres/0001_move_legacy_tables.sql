-- Moves the older system's tables, where this database holds them, to the schema
-- "legacy" as they are: constraints, indexes and sequences go along. Nothing is
-- changed in them; 0003 copies what we take over.
DO $$
DECLARE
    legacy_table text;
BEGIN
    -- Its accounts are known by columns that ours never have.
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('user_accounts') AND attname = 'user_id' AND NOT attisdropped
    ) THEN
        RETURN;
    END IF;
    EXECUTE 'CREATE SCHEMA IF NOT EXISTS legacy';
    FOREACH legacy_table IN ARRAY
        ARRAY['usage_records', 'streaming_sessions', 'credit_allocations', 'user_accounts']
    LOOP
        IF to_regclass(legacy_table) IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %I SET SCHEMA legacy', legacy_table);
        END IF;
    END LOOP;
END
$$;
