#!/usr/bin/env bash
# Runs a benchmark: both sides on the same server and cores, in one run.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: bench/run.sh NAME [--seconds N] [--users N] [--program PATH]

Builds `accrue` for release, starts a PostgreSQL of its own as tests/run.sh does, and prints
what both sides did; the last lines are `ratio NAME=VALUE`. NAME is
  allocate   HTTP allocations a second over pgbench running one statement that does the same
             (bench/yardstick/allocate.sql): spread over many users, and on one hot account
  usage      the same for credits spent (bench/yardstick/usage.sql); the hot account has
             20,000 open allocations
  history    allocations a second with 10,000,000 entries present over those with 10,000;
             writes about 20 GB
  drain      a backlog of 100,000 registrations that accounting takes in, over the slower of
             consuming it without a database and writing it without a broker
  lag        milliseconds from the answer to a registration to its active account
  register   registrations a second over raw argon2id on the same cores

  --seconds N    how long each measurement takes (20)
  --users N      users that the spread load is over (10000)
  --program PATH an `accrue` to measure, instead of building one
  ACCRUE_TEST_INSTALL=no     do not install what is missing (wrk, pgbench)

Both sides run with fsync on, alone on the machine if the figures are to mean anything.
exit code: 0 measured, 1 it could not run or answers went wrong, 2 wrong arguments, 3 a program is missing
EOF
}

name=
accrue=
seconds=20
users=10000
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --seconds) seconds=${2:?--seconds takes a number} && shift 2 ;;
    --users) users=${2:?--users takes a number} && shift 2 ;;
    --program) accrue=${2:?--program takes a path} && shift 2 ;;
    allocate | usage | history | drain | lag | register) name=$1 && shift ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ -n "$name" ] || { usage >&2 && exit 2; }

cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/accrue-bench.XXXXXX")
chmod 711 "$work" # PostgreSQL's files lie in it, and belong to its own user under root
running=()

clean_up() {
    trap '' INT TERM
    stop_services
    local server
    for server in postgres rabbitmq mongodb; do tests/servers/"$server".sh stop "$work/$server" || true; done
    rm -rf -- "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck source=bench/parts.sh
source bench/parts.sh
# shellcheck source=bench/compare.sh
source bench/compare.sh
# shellcheck source=bench/allocate.sh
source "bench/$name.sh"

need wrk wrk
start_postgres
[ -n "$accrue" ] || build
"bench_$name"
