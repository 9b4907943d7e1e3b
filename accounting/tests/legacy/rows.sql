-- Users and credits of an older installation, the odd ones that it could produce among them.
INSERT INTO user_accounts (user_id, email, username, role, jwt_sub, created_at, updated_at) VALUES
    ('ada', 'ada@example.com', 'ada', 'admin', 'sub-1', '2025-01-02 03:04:05.678Z', '2025-06-01Z'),
    ('65f0c0ffee0000000000abcd', 'temp_65f0c0ffee0000000000abcd@example.com', '65f0c0ffee0000000000abcd',
     'user', NULL, '2025-03-01Z', '2025-03-01Z'),
    ('unknown', 'unknown@example.com', 'unknown', 'user', NULL, '2025-03-01Z', '2025-03-01Z'),
    ('odd', 'odd@example.com', 'odd', 'user', NULL, '2025-03-01Z', '2025-03-01Z');
INSERT INTO credit_allocations
    (user_id, total_credits, remaining_credits, allocated_by, allocated_at, expires_at, notes) VALUES
    ('ada', 50, 20, 'admin', '2025-01-03Z', '2025-02-02Z', NULL),
    ('ada', 100, 70, 'supervisor-1', '2025-02-03 04:05:06Z', '2999-01-01Z', 'for "ünïcode"'),
    ('ada', 30, 0, 'admin', '2025-02-04Z', '2999-01-01Z', NULL),
    ('65f0c0ffee0000000000abcd', 25, 25, 'admin', '2025-03-01Z', 'infinity', NULL),
    ('odd', 40, 40, 'admin', '2999-03-01Z', '2999-04-01Z', 'booked by a clock that ran ahead'),
    ('odd', 20, -7, 'admin', '2025-03-01Z', '2999-04-01Z', 'overdrawn by two deductions at once'),
    ('odd', 10, 12, 'admin', '2025-03-01Z', '2999-04-01Z', 'adjusted beyond its total'),
    ('odd', 0, 0, 'admin', '2025-03-01Z', '2999-04-01Z', 'credits set to nothing');
INSERT INTO usage_records (user_id, "timestamp", service, operation, credits, metadata)
    VALUES ('ada', '2025-02-05Z', 'chat', 'complete', 30, '{"modelId": "m"}');
INSERT INTO streaming_sessions
    (session_id, user_id, model_id, estimated_credits, allocated_credits, status, started_at)
    VALUES ('s1', 'ada', 'm', 10, 12, 'active', '2025-02-06Z');
