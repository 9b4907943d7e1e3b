#!/usr/bin/env bash
# Runs the fault suite: faults under load, on servers of its own, from a seed.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/faults/run.sh --runs N [--seed S] [--first K] [--only FAULT]
                           [--world services|all-in-one] [--results FILE]

Makes N runs. Each starts two processes of each service with databases and a broker prefix of
its own, on a RabbitMQ, a PostgreSQL and a MongoDB-wire server that the runs share; does a fault
or two under load, heals them, does what docs/operations.md tells an operator to do where the
fault calls for it, and checks from outside what must hold.
  --runs N        how many
  --seed S        decides the order of faults, their lengths and pairs, and what clients ask for
                  (default 0)
  --first K       begins with run K of the seed: K = 40 goes on after 40 runs, 0 to 39 (default 0)
  --only FAULT    this fault only; --list names them
  --world W       services (default), or all-in-one: one process with SQLite and its own broker,
                  and those faults that it has the parts for
  --results FILE  adds a line for each run that held, tabs between: seed, run, faults, "held", how
                  much was asked for, and the servers' versions. Over several calls they add up
  --list          the faults of the world; --world comes before it
A seed and a number always make the same plan. How the machine schedules it is not part of it.

exit code: 0 all held, 1 an invariant broke or a fault did not take the course that it should,
2 wrong use, 3 a server is missing or a run could not be made on this machine (SKIP says why),
4 it does not build, 130 interrupted
EOF
}

die() {
    echo "run.sh: $*" >&2
    usage >&2
    exit 2
}

cd "$(dirname "$0")/../.."
# Those of the world.
faults() {
    local worlds=.*
    [ "${FAULTS_WORLD:-services}" = services ] || worlds=Both
    sed -n "s/^    (\"\([a-z-]*\)\", Fault::.* Worlds::$worlds),/\1/p" tests/faults/inflict/mod.rs
}

runs=
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --list) faults && exit 0 ;;
    --runs | --seed | --first | --only | --world | --results) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "there is no \"$1\"" ;;
    esac
    case "$1" in
    --runs) runs=$2 ;;
    --seed) export FAULTS_SEED=$2 ;;
    --first) export FAULTS_FIRST=$2 ;;
    --only) export FAULTS_ONLY=$2 ;;
    --world) export FAULTS_WORLD=$2 ;;
    --results) FAULTS_RESULTS=$(cd "$OLDPWD" && realpath -- "$2") && export FAULTS_RESULTS ;;
    esac
    shift 2
done
[[ "$runs" =~ ^[1-9][0-9]*$ ]] || die "--runs needs a number"
[[ "${FAULTS_SEED:-0}" =~ ^[0-9]+$ ]] || die "--seed needs a number"
[[ "${FAULTS_FIRST:-0}" =~ ^[0-9]+$ ]] || die "--first needs a number"
[[ "${FAULTS_WORLD:-services}" =~ ^(services|all-in-one)$ ]] || die "there is no world \"$FAULTS_WORLD\""
[ -z "${FAULTS_ONLY:-}" ] || faults | grep -qx -- "$FAULTS_ONLY" || die "there is no fault \"$FAULTS_ONLY\" of ${FAULTS_WORLD:-services}"
export FAULTS_RUNS=$runs

# Its name and its directory are what the functions of tests/servers/ go by.
name=faults
dir=$(mktemp -d "${TMPDIR:-/tmp}/accrue-faults.XXXXXX")
tests=
interrupted() {
    [ -z "$tests" ] || kill -KILL -- "-$tests" 2>/dev/null || true
    rm -rf -- "$dir"
    exit 130
}
trap interrupted INT TERM
say() { echo "$name: $*" >&2; }
absent() { say "$*: the fault \"clock\" is left out"; }
# shellcheck source=tests/servers/programs.sh
source tests/servers/programs.sh
has_fake_clock() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null; }
has_fake_clock || ! may_install || apt_install libfaketime || true
if [ "${FAULTS_WORLD:-services}" = services ]; then
    for server in mongodb postgres rabbitmq; do
        tests/servers/$server.sh prepare || exit 3
    done
fi

log=$dir/log
cargo test -q -p accrue --locked --test faults --no-run >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    exit 4
}
code=0
# In a process group of their own, so that the processes under test can be ended with them.
set -m
RUST_BACKTRACE=0 cargo test -p accrue --locked --test faults -- --nocapture --test-threads 1 </dev/null >"$log" 2>&1 &
tests=$!
set +m
# What it tells of its runs, as it goes; waited for, so that a signal does not wait.
tail -n +1 -F --pid "$tests" "$log" 2>/dev/null | grep --line-buffered -E '^(on|run|held|SKIP) ' &
wait "$tests" || code=1
wait "$!" || true
tests=
if [ "$code" = 1 ]; then
    grep -h -A 6 'panicked at' "$log" | grep -v '^{' | head -n 30 || tail -n 5 "$log"
    echo "broke in the last run named above; the same seed and --first repeat it; log: $log"
    exit 1
fi
held=$(grep -c '^held ' "$log" || true)
echo "$held of $runs runs held"
[ "$held" = "$runs" ] || code=3
rm -rf -- "$dir"
exit "$code"
