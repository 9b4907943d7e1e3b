#!/usr/bin/env bash
# Runs every test, on servers that it finds or sets up itself.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/run.sh [ARGUMENTS FOR cargo test]

Runs all tests of the workspace on MongoDB, PostgreSQL and RabbitMQ. For each of them:
  1. the server whose URL is given in ACCRUE_TEST_MONGODB_URL, ACCRUE_TEST_POSTGRES_URL,
     ACCRUE_TEST_RABBITMQ_URL
  2. else one in Docker, where an engine answers and the image is here or can be pulled
  3. else a program on this machine. As root on Debian it is installed first. Where there
     is no MongoDB, SecantusDB from PyPI, which speaks its protocol, takes its place.
What it starts listens on the loopback interface only and is gone when it ends.
A fourth is python with an OAuth library from PyPI, kept under target/, or the one whose
path is given in ACCRUE_TEST_PYTHON.

  ACCRUE_TEST_REQUIRE=mongodb,postgres,rabbitmq,python  what is missing fails the run;
                            without this the tests that need it are skipped, and counted
  ACCRUE_TEST_DOCKER=no     do not use Docker
  ACCRUE_TEST_INSTALL=no    neither install programs nor pull images

  tests/run.sh -p accrue-auth        tests of one package
  tests/run.sh -- --test-threads 1   one test at a time

exit code: 0 all passed, 1 a test or a server failed, 2 the tests do not build,
130 or 143 interrupted
EOF
}

case "${1:-}" in -h | --help) usage && exit 0 ;; esac

cd "$(dirname "$0")/.."
# A relative one would mean another directory to every test.
[ -z "${CARGO_TARGET_DIR:-}" ] || CARGO_TARGET_DIR=$(mkdir -p "$CARGO_TARGET_DIR" && cd "$CARGO_TARGET_DIR" && pwd)
readonly SERVERS=(mongodb postgres rabbitmq python)
work=$(mktemp -d "${TMPDIR:-/tmp}/accrue-tests.XXXXXX")
chmod 711 "$work" # PostgreSQL's files lie in it, and belong to its own user under root
export ACCRUE_TEST_SKIPS=$work/skips
export ACCRUE_TEST_OWNER_PID=$$
# What a test leaves behind when it is interrupted lies in here as well.
mkdir -m 1777 "$work/tmp"
export TMPDIR=$work/tmp
touch "$ACCRUE_TEST_SKIPS" "$work/summary" "$work/output"
jobs_running=()
failures=0

variable_of() {
    case "$1" in
    python) echo ACCRUE_TEST_PYTHON ;;
    *) echo "ACCRUE_TEST_${1^^}_URL" ;;
    esac
}
is_required() { [[ ",${ACCRUE_TEST_REQUIRE:-}," == *",$1,"* ]]; }

# Runs a command in a process group of its own, so that `clean_up` can end all of it
# and a signal that comes meanwhile is not kept waiting for it.
run() {
    set -m
    "$@" </dev/null &
    set +m
    jobs_running+=("$!")
    local code=0
    wait "$!" || code=$?
    unset 'jobs_running[-1]'
    return "$code"
}

clean_up() {
    trap '' INT TERM
    local job dir server
    for job in "${jobs_running[@]}" "${!setting_up[@]}"; do end_group "$job"; done
    for dir in "$work"/{mongodb,postgres,rabbitmq} "$TMPDIR"/accrue-*-server-*; do
        server=${dir##*/}
        server=${server#accrue-}
        [ ! -d "$dir" ] || tests/servers/"${server%%-server-*}".sh stop "$dir" || true
    done
    rm -rf -- "$work"
}

# Ends a process group: politely, then, after 10 s, not.
end_group() {
    local tries
    kill -TERM -- "-$1" 2>/dev/null || return 0
    for ((tries = 0; tries < 100; tries++)); do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}

# Process ids of the scripts that are setting servers up, and which server it is.
declare -A setting_up=()
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints what sets a server up, one word a line. Python is a program, not a server: it
# is made and not started, so nothing of it has to be stopped.
set_up_of() {
    case "$1" in
    python) printf '%s\n' tests/conformance/environment.sh oauth_client ;;
    *) printf '%s\n' "tests/servers/$1.sh" start "$work/$1" ;;
    esac
}

begin_servers() {
    local server variable command
    for server in "${SERVERS[@]}"; do
        variable=$(variable_of "$server")
        if [ -n "${!variable:-}" ]; then
            echo "given in $variable" >"$work/$server.origin"
            continue
        fi
        mapfile -t command < <(set_up_of "$server")
        set -m
        "${command[@]}" </dev/null >"$work/$server.url" 2>"$work/$server.err" &
        set +m
        setting_up[$!]=$server
    done
}

# Waits for the scripts and exports what they started.
await_servers() {
    local pid server code started=()
    for pid in "${!setting_up[@]}"; do
        server=${setting_up[$pid]}
        code=0
        wait "$pid" || code=$?
        unset "setting_up[$pid]"
        cat "$work/$server.err" >&2
        if [ "$code" = 0 ]; then
            export "$(variable_of "$server")=$(<"$work/$server.url")"
            cp "$work/$server/origin" "$work/$server.origin" 2>/dev/null || echo "from PyPI" >"$work/$server.origin"
            started+=("$server")
        elif [ "$code" != 3 ] || is_required "$server"; then
            summarize "$server: FAILED: $(tail -n 1 "$work/$server.err")"
            failures=$((failures + 1))
        else
            summarize "$server: none, its tests are skipped: $(tail -n 1 "$work/$server.err")"
        fi
    done
    ACCRUE_TEST_STARTED=$(IFS=, && echo "${started[*]}")
    export ACCRUE_TEST_STARTED
}

# Tells now and again at the end.
summarize() {
    echo "$*"
    echo "$*" >>"$work/summary"
}

ask_python() {
    [ -n "${ACCRUE_TEST_PYTHON:-}" ] || return 0
    run "$ACCRUE_TEST_PYTHON" -c 'import importlib.metadata as packages, platform
print("python", platform.python_version() + " with Authlib " + packages.version("authlib"), sep="\t")'
}

ask_versions() {
    local server variable told
    run cargo run -q -p accrue-testkit --bin accrue-test-servers --locked >"$work/versions" || true
    ask_python >>"$work/versions" || true
    for server in "${SERVERS[@]}"; do
        variable=$(variable_of "$server")
        [ -n "${!variable:-}" ] || continue
        if told=$(grep "^$server"$'\t' "$work/versions"); then
            summarize "$server: ${told#*$'\t'}, $(<"$work/$server.origin")"
        else
            summarize "$server: FAILED: the one $(<"$work/$server.origin") does not answer"
            failures=$((failures + 1))
        fi
    done
}

# cargo's own words are shown as they come, and kept to be counted.
test_to_output() {
    local packages=(--workspace) argument
    for argument in "$@"; do
        case "$argument" in
        --) break ;;
        -p* | --package*) packages=() ;;
        esac
    done
    if [ -t 1 ]; then export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}; fi
    cargo test "${packages[@]}" --no-fail-fast --locked "$@" 2>&1 | tee -i "$work/output"
}

# Sums a word's numbers over the closing lines of all test programs.
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$work/output" | awk -v word="$1" '
        /^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word ";?$") sum += $(i - 1) }
        END { print sum + 0 }'
}

# A test that was skipped has passed in cargo's eyes, but not in ours.
report() {
    local skipped passed failed
    skipped=$(cut -f 1,2 "$ACCRUE_TEST_SKIPS" | sort -u | wc -l)
    passed=$(($(count passed) - skipped))
    failed=$(($(count failed) + failures))
    if [ "$1" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    echo
    cat "$work/summary"
    cut -f 3 "$ACCRUE_TEST_SKIPS" | sort | uniq -c | while read -r times server; do
        echo "$server: skipped $times times"
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

begin_servers
code=0
run test_to_output --no-run "$@" || code=2
await_servers
if [ "$code" = 0 ]; then
    ask_versions
fi
if [ "$code" = 0 ] && [ "$failures" = 0 ]; then
    run test_to_output "$@" || code=1
fi
report "$code" || code=$((code == 0 ? 1 : code))
exit "$code"
