# `drain`: a backlog of registrations that accounting takes in, over the slower of consuming it
# without a database and writing it without a broker.
# shellcheck shell=bash disable=SC2154

readonly BACKLOG=100000

bench_drain() {
    build_yardstick
    start_rabbitmq
    season
    local consumed upserted drained slower
    say "publishing $BACKLOG registrations, twice"
    "$yardstick_program" publish "$rabbitmq" yardstick "$BACKLOG" >/dev/null
    consumed=$("$yardstick_program" consume "$rabbitmq" yardstick "$BACKLOG")
    upserted=$(upsert)
    # Declares the queue that the events wait in, and the tables.
    start_accounting
    stop_services
    "$yardstick_program" publish "$rabbitmq" accrue "$BACKLOG" >/dev/null
    drain
    tell_processor_times "$BACKLOG" message
    echo "consumed without a database: $consumed/s; upserted by UNNEST without a broker: $upserted/s; drained: $drained/s"
    slower=$((consumed < upserted ? consumed : upserted))
    ratio drain "$drained" "$slower"
}

start_accounting() {
    export ACCOUNTING_LISTEN=127.0.0.1:0 ACCOUNTING_TOKEN_ISSUER=https://auth.bench BROKER_URL=$rabbitmq
    export ACCOUNTING_DATABASE_URL=$accounting_database RUST_LOG=warn,accrue=info
    ACCOUNTING_JWKS_URL=http://127.0.0.1:9/ started=live start accounting
}

# Users a second, batches of 300, each committed, all of it within the server.
upsert() {
    sql "$yardstick" -c 'CREATE TABLE users (user_id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL,
        status text NOT NULL, email text, display_name text, updated_at timestamptz NOT NULL);
        CREATE INDEX ON users (status, updated_at DESC, user_id DESC); CREATE INDEX ON users (email)'
    local begun=$EPOCHREALTIME
    sql "$yardstick" -v backlog="$BACKLOG" -f bench/yardstick/upsert.sql
    awk -v count="$BACKLOG" -v begun="$begun" -v ended="$EPOCHREALTIME" 'BEGIN { printf "%d", count / (ended - begun) }'
}

# Sets `drained`: accounts a second, from the first to the last.
drain() {
    local active=0 first=0 begun=0 end
    rm -f "$work/accounting.pid"
    start_accounting
    echo "accounting 0" >"$work/before"
    processor_times | grep -v '^accounting ' >>"$work/before"
    end=$((SECONDS + 300))
    while [ "$active" -lt "$BACKLOG" ]; do
        active=$(sql "$accounting_database" -c "SELECT count(*) FROM accounts WHERE status = 'active'")
        if [ "$first" = 0 ] && [ "$active" -gt 0 ]; then first=$active begun=$EPOCHREALTIME; fi
        [ "$SECONDS" -lt "$end" ] || { say "only $active of $BACKLOG accounts" && exit 1; }
    done
    processor_times >"$work/after"
    drained=$(awk -v count="$((BACKLOG - first))" -v begun="$begun" -v ended="$EPOCHREALTIME" \
        'BEGIN { printf "%d", count / (ended - begun) }')
}
