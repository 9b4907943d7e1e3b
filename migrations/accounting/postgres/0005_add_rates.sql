-- Rates: what units of a resource cost, version by version, and which of them priced what.
-- One row a resource: what making a version locks, and what lists go by.
CREATE TABLE rates (
    resource text COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(resource) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL
);

-- Never changed. In force is the highest version whose effective_at has come.
CREATE TABLE rate_versions (
    resource text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    effective_at timestamptz NOT NULL,
    -- {"input_tokens": {"credits": "2.5", "per": 1000}}
    units json NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (resource, version)
);

-- {"input_tokens": 1200}, and the version of the resource's rate that priced it.
ALTER TABLE usages
    ADD COLUMN units json,
    ADD COLUMN rate_version bigint,
    ADD CONSTRAINT usages_pricing_check CHECK ((units IS NULL) = (rate_version IS NULL));

-- Units may come to 0 credits: what is free can be reserved too.
ALTER TABLE reservations
    ADD COLUMN units json,
    ADD COLUMN rate_version bigint,
    ADD CONSTRAINT reservations_pricing_check CHECK ((units IS NULL) = (rate_version IS NULL)),
    DROP CONSTRAINT reservations_credits_check,
    ADD CONSTRAINT reservations_credits_check CHECK (credits >= 0 AND (credits > 0 OR units IS NOT NULL));
