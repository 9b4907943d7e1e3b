#!/usr/bin/env bash
# Runs the fault suite: faults under load, on servers of its own, from a seed.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/faults/run.sh --runs N [--seed S] [--only FAULT] [--results FILE]

Makes N runs on two processes of each service with RabbitMQ, PostgreSQL and a MongoDB-wire
server of their own. Each run does one fault under load, heals it and checks what must hold.
  --runs N        how many
  --seed S        where in the list of faults to begin, and what users are called; by default 0
  --only FAULT    this fault only; the list is NAMES in tests/faults/faults.rs
  --results FILE  adds a line a run that held: seed, number, fault, "held", operations so far
The same arguments make the same plan. When clients send what is not part of it.

exit code: 0 all held, 1 an invariant broke, 2 wrong use, 3 a server is missing
EOF
}

die() {
    echo "run.sh: $*" >&2
    usage >&2
    exit 2
}

runs=
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --runs | --seed | --only | --results) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "there is no \"$1\"" ;;
    esac
    case "$1" in
    --runs) runs=$2 ;;
    --seed) export FAULTS_SEED=$2 ;;
    --only) export FAULTS_ONLY=$2 ;;
    --results) FAULTS_RESULTS=$(realpath -- "$2") && export FAULTS_RESULTS ;;
    esac
    shift 2
done
[[ "$runs" =~ ^[1-9][0-9]*$ ]] || die "--runs needs a number"
[[ "${FAULTS_SEED:-0}" =~ ^[0-9]+$ ]] || die "--seed needs a number"
export FAULTS_RUNS=$runs

cd "$(dirname "$0")/../.."
if [ -n "${FAULTS_ONLY:-}" ] && ! grep -q "^    \"$FAULTS_ONLY\",\$" tests/faults/faults.rs; then
    die "there is no fault \"$FAULTS_ONLY\""
fi
log=$(mktemp "${TMPDIR:-/tmp}/accrue-faults.XXXXXX")
code=0
cargo test -p accrue --locked --test faults -- --nocapture >"$log" 2>&1 || code=1
grep -E '^(seed|run|SKIP) ' "$log" || true
if [ "$code" != 0 ]; then
    grep -A 3 'panicked at' "$log" || tail -n 5 "$log"
    echo "broke in the last run named above; the same arguments repeat it; log: $log"
elif grep -q '^SKIP ' "$log"; then
    code=3
else
    echo "$runs runs held"
fi
[ "$code" = 1 ] || rm -f -- "$log"
exit "$code"
