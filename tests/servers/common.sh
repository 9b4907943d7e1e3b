# What the three server scripts share: commands, choice of Docker or program, ports, processes.
# shellcheck shell=bash disable=SC2154
#
# A script that sources this sets `name`, `image` and `image_port` and defines
#   server_url PORT      the URL of a server on that port
#   find_program         true, with `program` set, when the server's program is here
#   install_program      installs it, as root on Debian
#   start_program        launches it in $dir on $port and waits until it answers
#   discard_program      removes what it leaves outside of $dir
#   image_options        prints options for `docker run`, one a line
#   image_arguments      prints arguments for the container, one a line
#   image_answers ID     true when the server in the container answers
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly ABSENT=3 # the exit code for "not here, and cannot be got"

usage() {
    cat <<EOF
usage: $(basename "$0") start DIR | kill DIR | stop DIR

Runs one server for tests, on the loopback interface, with all its files in DIR.
  start DIR  starts it, or starts it again on the same data and port; prints its URL
  kill DIR   kill -9: the server is gone, its data stays
  stop DIR   ends it for good and removes DIR

It runs in Docker where an engine answers and the image is here or can be pulled, else
from a program on this machine, which is installed first where that can be done.
  ACCRUE_TEST_DOCKER=no     do not use Docker
  ACCRUE_TEST_INSTALL=no    neither install programs nor pull images
  ACCRUE_TEST_OWNER_PID=N   stop it when process N is gone
exit code: 0 done, $ABSENT the server is not here and cannot be got, 1 anything else
EOF
}

say() { printf '%s: %s\n' "$name" "$*" >&2; }

# Ends the script: the server cannot be had here, and what would help.
absent() {
    say "$*"
    exit "$ABSENT"
}

main() {
    case "${1:-}" in
    start | kill | stop) [ $# -eq 2 ] || { usage >&2; exit 2; } ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    [ "$1" = start ] && mkdir -p "$2"
    [ -d "$2" ] || exit 0 # stopped already
    dir=$(cd "$2" && pwd)
    "$1_server"
}

start_server() {
    local port how
    echo "$$" >"$dir/starter"
    [ -f "$dir/watcher" ] || watch_owner
    if [ -f "$dir/url" ]; then
        port=$(<"$dir/port")
        how=$(<"$dir/how")
        is_running || "start_$how" || { show_log; exit 1; }
    else
        choose_how
        start_afresh
    fi
    cat "$dir/url"
}

# Sets `how` to image or program.
choose_how() {
    if has_image; then
        how=image
    else
        find_program || install_program
        find_program || absent "its program is still not to be found"
        how=program
    fi
    echo "$how" >"$dir/how"
}

is_running() {
    if [ -f "$dir/container" ]; then
        [ "$(docker inspect --format '{{.State.Running}}' "$(<"$dir/container")" 2>/dev/null)" = true ]
    else
        [ -f "$dir/pid" ] && is_alive "$(<"$dir/pid")"
    fi
}

# Another process may take a port between our look and the server's start.
start_afresh() {
    for _ in 1 2 3; do
        port=$(free_port)
        echo "$port" >"$dir/port"
        if "start_$how"; then
            server_url "$port" >"$dir/url"
            return
        fi
        show_log
        end_server
    done
    say "does not start"
    exit 1
}

show_log() {
    say "did not answer; its last lines:"
    { [ ! -f "$dir/container" ] || docker logs --tail 20 "$(<"$dir/container")" 2>&1; } >&2 || true
    [ ! -f "$dir/log" ] || tail -n 20 "$dir/log" >&2
}

kill_server() {
    if [ -f "$dir/container" ]; then
        docker kill "$(<"$dir/container")" >/dev/null 2>&1 || true
    elif [ -f "$dir/pid" ]; then
        kill_tree "$(<"$dir/pid")"
        rm -f "$dir/pid"
    fi
}

# The data goes as well, so there is nothing to be gained by asking nicely.
stop_server() {
    if [ -f "$dir/watcher" ]; then
        kill -TERM -- "-$(<"$dir/watcher")" 2>/dev/null || true
    fi
    end_server
    # Only what `start` has made: never a directory that was named by mistake.
    [ ! -f "$dir/starter" ] || rm -rf -- "$dir"
}

end_server() {
    kill_server
    if [ -f "$dir/container" ]; then
        docker rm -f -v "$(<"$dir/container")" >/dev/null 2>&1 || true
        rm -f "$dir/container"
    fi
    if [ -f "$dir/companion" ]; then
        kill_tree "$(<"$dir/companion")"
        rm -f "$dir/companion"
    fi
    discard_program
}

# ---- Docker

has_image() {
    [ "${ACCRUE_TEST_DOCKER:-yes}" != no ] && command -v docker >/dev/null || return 1
    limited 20 docker info >/dev/null 2>&1 || return 1
    docker image inspect "$image" >/dev/null 2>&1 && return
    [ "${ACCRUE_TEST_INSTALL:-yes}" != no ] && limited 600 docker pull -q "$image" >/dev/null 2>&1
}

start_image() {
    local id options arguments
    if [ -f "$dir/url" ]; then
        id=$(<"$dir/container")
        docker start "$id" >/dev/null
    else
        mapfile -t options < <(image_options)
        mapfile -t arguments < <(image_arguments)
        id=$(docker run -d -p "127.0.0.1:$port:$image_port" "${options[@]}" "$image" "${arguments[@]}") || return 1
        echo "$id" >"$dir/container"
        echo "in Docker, image $image" >"$dir/origin"
    fi
    wait_for image_answers "$id"
}

# ---- programs

may_install() {
    [ "${ACCRUE_TEST_INSTALL:-yes}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# Debian starts what it installs as a service, unless policy-rc.d forbids it. The
# lock is on dpkg's own directory: runs side by side must not meet in apt-get.
apt_install() {
    say "installing $*"
    (
        exec 9</var/lib/dpkg
        flock 9
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod +x "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update && apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; } \
            </dev/null >"$dir/install.log" 2>&1 9>&-
    ) || {
        tail -n 5 "$dir/install.log" >&2
        absent "cannot install $*"
    }
}

# Runs a server that outlives this script, out of reach of the terminal's Ctrl-C,
# and writes its process id. What it says goes to $dir/log. A signal is kept waiting
# until the id is written: nobody could stop a server that no file tells of.
launch() {
    local pid_file=$1 interrupted=no
    shift
    trap 'interrupted=yes' INT TERM
    set -m
    "$@" </dev/null >>"$dir/log" 2>&1 &
    set +m
    echo "$!" >"$pid_file"
    trap - INT TERM
    [ "$interrupted" = no ] || exit 143
}

# Polls until the command is true or the server has died.
wait_for() { wait_until 90 answers_or_died "$@" && is_running; }

answers_or_died() { "$@" || ! is_running; }

# Stops the server when the process that wanted it has gone without doing so. One
# that is just being started is let finish: its files must tell of all that runs.
watch_owner() {
    [ -n "${ACCRUE_TEST_OWNER_PID:-}" ] || return 0
    set -m
    (
        while [ -d "$dir" ] && { is_alive "$ACCRUE_TEST_OWNER_PID" || is_alive "$(<"$dir/starter")"; }; do sleep 1; done
        rm -f "$dir/watcher"
        exec "$here/$name.sh" stop "$dir"
    ) </dev/null >/dev/null 2>&1 &
    set +m
    echo "$!" >"$dir/watcher"
}

# ---- small things

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
