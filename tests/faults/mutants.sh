#!/usr/bin/env bash
# Puts deliberate bugs into the product, one at a time, and shows that the fault suite finds each.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/faults/mutants.sh [--list] [--seed S] [--tries N] [--results FILE] [NAME...]

A mutant is a patch in tests/faults/mutants/: in its first line what the bug is, in its second
which faults find it, such as "hammer" or, in one of the worlds alone, "clock@all-in-one". Each is
applied to a checkout of HEAD (what is not committed is not in it), which is built there, and the suite
runs with those faults, one after the other, until one fails.
On the tree as it is the suite has to hold: tests/faults/run.sh.
  NAME...         these; without any, all
  --list          what there is
  --seed S        of the runs (default 0)
  --tries N       runs of each fault before it counts as not finding it (default 3)
  --results FILE  adds a line for each: name, "caught" or "survived", fault, what was seen
The checkout and what is built lie in MUTANTS_DIR (default target/mutants), and stay for the next time:
the first build takes minutes, each mutant about one.

Needs what tests/faults/run.sh needs. exit code: 0 all caught, 1 one survived, 2 wrong use, 3 one could not
be tried and none survived, 130 and 143 interrupted
EOF
}

die() {
    echo "mutants.sh: $*" >&2
    usage >&2
    exit 2
}

home=$PWD
cd "$(dirname "$0")/../.."
patches=tests/faults/mutants
what_of() { sed -n 1p "$patches/$1.patch"; }
faults_of() { sed -n '2s/^Caught by: //p' "$patches/$1.patch" | tr -d ,; }

names=()
seed=0
tries=3
results=/dev/null
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --list)
        for patch in "$patches"/*.patch; do
            name=$(basename "$patch" .patch)
            printf '%-32s %s\n' "$name" "$(what_of "$name")"
        done
        exit 0
        ;;
    --seed | --tries | --results)
        [ $# -ge 2 ] || die "$1 needs a value"
        case "$1" in
        --seed) seed=$2 ;;
        --tries) tries=$2 ;;
        --results) results=$(cd "$home" && realpath -- "$2") ;;
        esac
        shift
        ;;
    -*) die "there is no \"$1\"" ;;
    *)
        [ -f "$patches/$1.patch" ] || die "there is no mutant \"$1\""
        names+=("$1")
        ;;
    esac
    shift
done
[[ "$seed" =~ ^[0-9]+$ && "$tries" =~ ^[1-9][0-9]*$ ]] || die "--seed and --tries take numbers"
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(basename -s .patch "$patches"/*.patch)

root=$PWD
work=${MUTANTS_DIR:-target/mutants}
mkdir -p "$work"
work=$(cd "$work" && pwd)
checkout=$work/checkout
export CARGO_TARGET_DIR=$work/target
# What the runs leave, and PostgreSQL's files, which belong to a user of its own.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/accrue-mutants.XXXXXX")
export TMPDIR
chmod 711 "$TMPDIR"
said=$TMPDIR/said
trap 'rm -rf -- "$TMPDIR"; restore' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

restore() { git -C "$checkout" checkout -q --force HEAD -- . 2>/dev/null || true; }

git worktree prune
if [ -d "$checkout" ]; then
    git -C "$checkout" checkout -q --force --detach "$(git rev-parse HEAD)"
else
    git worktree add -q --force --detach "$checkout" HEAD
fi

# Tries one; prints a line; 0 caught, 1 survived, 3 could not be tried.
try() {
    local name=$1 fault world code began=$SECONDS
    if ! git -C "$checkout" apply "$root/$patches/$name.patch" 2>"$said"; then
        echo "$name: DOES NOT APPLY: $(tail -n 1 "$said")"
        return 3
    fi
    for fault in $(faults_of "$name"); do
        code=0
        world=()
        if [[ "$fault" == *@* ]]; then world=(--world "${fault#*@}"); fi
        "$checkout/tests/faults/run.sh" --runs "$tries" --seed "$seed" --only "${fault%@*}" "${world[@]}" \
            >"$said" 2>&1 || code=$?
        case "$code" in
        0) ;;
        1)
            local seen
            seen=$(sed -n '/panicked at/{n;p;q}' "$said" | cut -c 1-160)
            echo "$name: caught by $fault in $((SECONDS - began)) s: $seen"
            printf '%s\tcaught\t%s\t%s\n' "$name" "$fault" "$seen" >>"$results"
            return 0
            ;;
        *)
            echo "$name: COULD NOT BE TRIED with $fault: $(tail -n 1 "$said")"
            return 3
            ;;
        esac
    done
    echo "$name: SURVIVED: $(what_of "$name")"
    printf '%s\tsurvived\t\t\n' "$name" >>"$results"
    return 1
}

caught=0
worst=0
for name in "${names[@]}"; do
    code=0
    try "$name" || code=$?
    restore
    if [ "$code" = 0 ]; then caught=$((caught + 1)); fi
    # One that survived tells more than one that could not be tried.
    if [ "$code" = 1 ] || [ "$worst" = 0 ]; then worst=$code; fi
done
echo "$caught of ${#names[@]} mutants caught"
exit "$worst"
