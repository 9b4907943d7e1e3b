#!/usr/bin/env bash
# Tests both services against their OpenAPI documents with schemathesis.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/conformance/schemathesis.sh [--examples N] [--seed N]

Builds and starts `accrue` with its files in a temporary directory, on free ports of the
loopback interface, and has schemathesis (from PyPI, kept under target/) make up N
requests an operation (500) from both OpenAPI documents, and some besides. It fails for
  an answer of 5xx
  an answer whose status, content type or body its document does not describe
  an operation that never had a good answer: nothing was compared with its schema (with
  fewer than 100 requests an operation that may be chance, and is only told)
  an error or a panic in the log
  --seed N       make up the same requests again; the seed is in the report of a failure
  ACCRUE_TEST_INSTALL=no     do not install schemathesis

All four phases of schemathesis 4.32.5 work: examples, coverage, fuzzing, stateful. An
error inside of it is counted as a failure, because then something was not tested.

exit code: 0 no failure, 1 failures, or it could not run, 3 schemathesis cannot be had
EOF
}

examples=500
seed=()
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --examples) examples=${2:?--examples takes a number} && shift 2 ;;
    --seed) seed=(--seed "${2:?--seed takes a number}") && shift 2 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/../.."
conformance=$PWD/tests/conformance
# What runs in other directories is called by its whole path.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
CARGO_TARGET_DIR=$(mkdir -p "$CARGO_TARGET_DIR" && cd "$CARGO_TARGET_DIR" && pwd)
export CARGO_TARGET_DIR
python=$("$conformance/environment.sh" schemathesis)
cargo build -q --locked -p accrue
accrue=$CARGO_TARGET_DIR/debug/accrue
work=$(mktemp -d "${TMPDIR:-/tmp}/accrue-schemathesis.XXXXXX")
running=()

clean_up() {
    trap '' INT TERM
    local pid
    for pid in "${running[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${running[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf -- "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The API is to be tested, not its limits: those are out of reach. Nor is hashing.
set_environment() {
    local limit
    for limit in $("$accrue" auth --help | grep -o 'AUTH_LIMIT_[A-Z_]*' | sort -u); do
        export "$limit=1000000000/60"
    done
    export ACCRUE_DATA_DIR=$work/data AUTH_LISTEN=127.0.0.1:0 ACCOUNTING_LISTEN=127.0.0.1:0
    export AUTH_HASH_MEMORY_KIB=8 AUTH_HASH_PASSES=1
}

start() {
    "$accrue" </dev/null >"$work/greeting" 2>"$work/log" &
    running+=("$!")
    auth=$(url_of auth)
    accounting=$(url_of accounting)
    wait_until "$accrue" health --url "$auth/healthz/ready" --url "$accounting/healthz/ready"
}

# Polls for 30 s, or until the server has died.
wait_until() {
    local end=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ] || ! kill -0 "${running[0]}" 2>/dev/null; then
            echo "schemathesis: accrue does not start:" >&2
            tail -n 20 "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

url_of() {
    local listening="\"message\":\"listening\",\"service\":\"$1\",\"address\":\""
    wait_until grep -q "$listening" "$work/log"
    sed -n "s|.*$listening\([^\"]*\)\".*|http://\1|p" "$work/log"
}

make_callers() {
    local shown
    shown=$("$accrue" admin create-client --name conformance --scope accounts:read --scope credits:write \
        --scope events:admin --scope rates:write --scope usage:write --scope users:admin 2>"$work/admin.log") ||
        { tail -n 5 "$work/admin.log" >&2; return 1; }
    export ACCRUE_CONFORMANCE_CLIENT_ID ACCRUE_CONFORMANCE_CLIENT_SECRET
    ACCRUE_CONFORMANCE_CLIENT_ID=$(sed -n 's/^client_id: //p' <<<"$shown")
    ACCRUE_CONFORMANCE_CLIENT_SECRET=$(sed -n 's/^client_secret: //p' <<<"$shown")
    export ACCRUE_CONFORMANCE_AUTH=$auth ACCRUE_CONFORMANCE_ACCOUNTING=$accounting
    export ACCRUE_CONFORMANCE_DATA=$work/data
    export SCHEMATHESIS_HOOKS=$conformance/schemathesis_hooks.py
    export PYTHONPATH=$conformance PYTHONDONTWRITEBYTECODE=1
}

# check SERVICE URL: runs schemathesis and prints how often each operation answered with
# what; its own report only where it found something. Sets `cases`, adds to `failures`.
check() {
    local code=0 bad
    export ACCRUE_CONFORMANCE_TALLY=$work/$1.json
    # In a directory of its own, where it keeps what it remembers.
    (cd "$work" && exec "$python" "$(dirname "$python")/schemathesis" --no-color \
        --config-file "$conformance/schemathesis.toml" run "$2/openapi.json" \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
        --phases examples,coverage,fuzzing,stateful --max-examples "$examples" "${seed[@]}" \
        --generation-database none --warnings off) </dev/null >"$work/$1.report" 2>&1 &
    running+=("$!")
    wait "$!" || code=$?
    unset 'running[-1]'
    "$python" "$conformance/schemathesis_tally.py" "$1" "$2/openapi.json" "$ACCRUE_CONFORMANCE_TALLY" ||
        [ "$examples" -lt 100 ] || failures=$((failures + 1))
    cases=$(sed -n 's/^ *\([0-9]*\) generated,.*/\1/p' "$work/$1.report")
    bad=$(awk '/^ *[0-9]+ generated,/ { for (i = 2; i <= NF; i++) if ($i ~ /^(failed|errored)/) n += $(i - 1) }
        END { print n + 0 }' "$work/$1.report")
    [ "$code" = 0 ] && [ "$bad" = 0 ] && [ -n "$cases" ] && return
    cat "$work/$1.report"
    failures=$((failures + (bad > 0 ? bad : 1)))
}

failures=0
set_environment
start
make_callers
check accounting "$accounting"
accounting_cases=${cases:-0}
check auth "$auth"
auth_cases=${cases:-0}
if grep -E '"level":"ERROR"|panicked at' "$work/log" >"$work/errors"; then
    echo "errors in the log:" && head -n 20 "$work/errors"
    failures=$((failures + $(wc -l <"$work/errors")))
fi
if ! kill -0 "${running[0]}" 2>/dev/null; then
    echo "accrue has ended; its last lines:" && tail -n 20 "$work/log"
    failures=$((failures + 1))
fi
echo "schemathesis: accounting $accounting_cases cases, auth $auth_cases cases, $failures failures"
[ "$failures" = 0 ]
