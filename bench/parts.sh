# What benchmarks are made of: a server, our services, both load generators.
# shellcheck shell=bash disable=SC2154

say() { printf '%s\n' "$*" >&2; }

# need PROGRAM PACKAGE
need() {
    command -v "$1" >/dev/null && return 0
    if [ "${ACCRUE_TEST_INSTALL:-yes}" = no ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "$1 is missing (Debian: apt-get install $2)"
        exit 3
    fi
    say "installing $2"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2"; } \
        </dev/null >"$work/install.log" 2>&1 || { tail -n 5 "$work/install.log" >&2 && exit 3; }
}

start_postgres() {
    # A server whose database is larger than its default of 128 MB gets more, for both sides.
    export ACCRUE_TEST_POSTGRES_SETTINGS=shared_buffers=2GB
    postgres=$(ACCRUE_TEST_OWNER_PID=$$ ACCRUE_TEST_DOCKER=no tests/servers/postgres.sh start "$work/postgres")
    need psql postgresql-client
    pgbench=$(command -v pgbench || ls /usr/lib/postgresql/*/bin/pgbench 2>/dev/null | tail -n 1) || true
    [ -n "$pgbench" ] || { need pgbench postgresql-contrib && pgbench=pgbench; }
    sql "$postgres" -c 'CREATE DATABASE yardstick' -c 'CREATE DATABASE accounting' >/dev/null
    yardstick=${postgres%/*}/yardstick
    accounting_database=${postgres%/*}/accounting
}

# A server that has run for a while writes its log into files that it has written before. A
# new one makes each first, and everybody waits meanwhile.
season() {
    say "filling the server's log once"
    sql "$yardstick" -c 'CREATE TABLE filler AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 800000) i' \
        -c 'DROP TABLE filler' -c 'CHECKPOINT'
}

sql() { psql --no-psqlrc --quiet --tuples-only --no-align -v ON_ERROR_STOP=1 "$@"; }

build() {
    say "building for release"
    cargo build -q --release --locked -p accrue
    accrue=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/accrue
}

# What measures where a shell is too slow, in `yardstick_program`.
build_yardstick() {
    say "building bench/yardstick.rs for release"
    cargo build -q --release --locked -p accrue --example yardstick
    yardstick_program=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/examples/yardstick
}

start_rabbitmq() {
    rabbitmq=$(ACCRUE_TEST_OWNER_PID=$$ ACCRUE_TEST_DOCKER=no tests/servers/rabbitmq.sh start "$work/rabbitmq")
}

start_mongodb() {
    mongodb=$(ACCRUE_TEST_OWNER_PID=$$ ACCRUE_TEST_DOCKER=no tests/servers/mongodb.sh start "$work/mongodb")
}

# Starts both services on the server, with a token in `token`: auth and the broker, which
# are not measured, are on files.
start_services() {
    export AUTH_DATABASE_URL=sqlite:$work/auth.db BROKER_URL=sqlite:$work/broker.db
    run_services
}

# The same on servers of their own.
start_both() {
    export AUTH_DATABASE_URL="${mongodb/\/\?/\/bench?}" BROKER_URL=$rabbitmq
    run_services
}

run_services() {
    export AUTH_LISTEN=127.0.0.1:0 AUTH_ISSUER=https://auth.bench
    export ACCRUE_DATA_DIR=$work/data
    export ACCOUNTING_LISTEN=127.0.0.1:0 ACCOUNTING_TOKEN_ISSUER=$AUTH_ISSUER
    export ACCOUNTING_DATABASE_URL=$accounting_database RUST_LOG=warn,accrue=info
    start auth
    ACCOUNTING_JWKS_URL=$auth/.well-known/jwks.json start accounting
    local shown client_id client_secret
    shown=$("$accrue" admin create-client --name bench --scope credits:write --scope usage:write --scope accounts:read 2>/dev/null)
    client_id=$(sed -n 's/^client_id: //p' <<<"$shown")
    client_secret=$(sed -n 's/^client_secret: //p' <<<"$shown")
    token=$(curl -sS "$auth/oauth2/token" -u "$client_id:$client_secret" -d grant_type=client_credentials |
        sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
    [ -n "$token" ] || { say "no token" && exit 1; }
}

# start SERVICE: runs it, and sets the variable SERVICE to its URL.
start() {
    "$accrue" "$1" </dev/null >"$work/$1.log" 2>&1 &
    running+=("$!")
    echo "$!" >"$work/$1.pid"
    local listening="\"message\":\"listening\",\"service\":\"$1\",\"address\":\"" end=$((SECONDS + 30))
    until grep -qs "$listening" "$work/$1.log" &&
        printf -v "$1" %s "$(sed -n "s|.*$listening\([^\"]*\)\".*|http://\1|p" "$work/$1.log")" &&
        "$accrue" health --url "${!1}/healthz/${started:-ready}" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ] || ! kill -0 "${running[-1]}"; then
            tail "$work/$1.log" >&2
            exit 1
        fi
        sleep 0.2
    done
}

stop_services() {
    local pid
    for pid in "${running[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${running[@]}"; do wait "$pid" 2>/dev/null || true; done
    running=()
}

# yardstick NAME FIRST_USER LAST_USER CLIENTS: transactions a second of a script under pgbench.
yardstick() {
    "$pgbench" -n -M prepared -f "bench/yardstick/$1.sql" -D first="$2" -D last="$3" -c "$4" -j 2 -T "$seconds" \
        "$yardstick" 2>"$work/pgbench.err" | sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# best NAME FIRST_USER LAST_USER CLIENTS…: the most of these, in `best`; each is told.
best() {
    local name=$1 first=$2 last=$3 clients tps
    best=0
    shift 3
    for clients in "$@"; do
        tps=$(yardstick "$name" "$first" "$last" "$clients") || true # told below
        echo "pgbench $name over users $first to $last, $clients clients: ${tps:?pgbench failed: $(tail -n 2 "$work/pgbench.err")}/s"
        if [ "$tps" -gt "$best" ]; then best=$tps; fi
    done
}

# load CONNECTIONS DELAY_MS FIRST_USER LAST_USER: books on accounting, with `booking` and
# `body`. Sets `rate` (answers a second, none of them an error), `p50` and `p99` (ms).
load() {
    local told
    told=$(TOKEN=$token ROUTE=$booking BODY=$body DELAY_MS=$2 FIRST_USER=$3 LAST_USER=$4 \
        wrk -t 1 -c "$1" -d "${seconds}s" --timeout 10s -s bench/requests.lua "$accounting")
    told=$(grep '^measured ' <<<"$told") || { say "wrk failed" && exit 1; }
    read -r _ rate p50 p99 failed <<<"$told"
    [ "$failed" = 0 ] || { say "$failed requests failed" && exit 1; }
}

ratio() { awk -v name="$1" -v above="$2" -v below="$3" 'BEGIN { printf "ratio %s=%.2f\n", name, above / below }'; }

# Lines `NAME MICROSECONDS`: what each has had of the processors, with the processes below it.
processor_times() {
    local server service
    for service in auth accounting; do
        [ ! -f "$work/$service.pid" ] || processor_time "$service" "$(<"$work/$service.pid")"
    done
    for server in mongodb rabbitmq postgres; do
        [ ! -f "$work/$server/pid" ] || processor_time "$server" "$(<"$work/$server/pid")"
    done
}

# processor_time NAME PID
processor_time() {
    ps -A -o pid= -o ppid= | awk -v root="$2" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = pid; up in parent && up != root; up = parent[up]) { }
                if (up == root) print pid
            }
        }' | while read -r pid; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
        awk -v name="$1" -v hertz="$(getconf CLK_TCK)" '
            { sub(/^.*\) /, ""); sum += $12 + $13 + $14 + $15 }
            END { printf "%s %d\n", name, sum * 1000000 / hertz }'
}

# tell_processor_times COUNT WHAT: of each, between the files `before` and `after`.
tell_processor_times() {
    paste -d ' ' "$work/before" "$work/after" | awk -v count="$1" -v what="$2" '
        { printf "processor microseconds a %s, %s: %.0f\n", what, $1, ($4 - $2) / count }'
}
