# Ports and processes: which are free, which are alive, how they end.
# shellcheck shell=bash disable=SC2154

# A port that nobody listens on. It is taken from below the range of outgoing
# connections: one of those could take the port of a server while it is down.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        is_open "$port" || { echo "$port"; return; }
    done
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A zombie, which a container's first process may never reap, is not alive, unless
# threads of it still are (`l`): they hold its sockets open.
is_alive() {
    local state
    state=$(ps -o stat= -p "$1" 2>/dev/null) && [[ $state != Z* || $state == Z*l* ]]
}

# kill -9 of a process, then of what it started, so that nothing of it tidies up.
kill_tree() {
    local pid tree
    tree=$(descendants "$1")
    for pid in "$1" $tree; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "$1" $tree; do
        wait_until 20 is_gone "$pid" || { say "process $pid does not go"; return 1; }
    done
}

is_gone() { ! is_alive "$1"; }

descendants() {
    ps -A -o pid= -o ppid= | awk -v root="$1" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = parent[pid]; up in parent && up != root; up = parent[up]) { }
                if (up == root) print pid
            }
        }'
}

# wait_until SECONDS COMMAND...: polls until the command is true.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# limited SECONDS COMMAND...: with a deadline, where the machine can set one.
limited() {
    if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi
}
