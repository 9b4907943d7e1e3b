# What the three server scripts share: the commands, and the choice of Docker or a program.
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

source "$here/docker.sh"
source "$here/programs.sh"
source "$here/processes.sh"
source "$here/python.sh"

usage() {
    cat <<EOF
usage: $(basename "$0") start DIR | kill DIR | stop DIR | prepare

Runs one server for tests, on the loopback interface, with all its files in DIR.
  start DIR  starts it, or starts it again on the same data and port; prints its URL
  kill DIR   kill -9: the server is gone, its data stays
  stop DIR   ends it for good and removes DIR
  prepare    sees that it can be started here, and installs what that takes

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
    prepare)
        [ $# -eq 1 ] || { usage >&2; exit 2; }
        prepare_server
        exit 0
        ;;
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

prepare_server() {
    local how
    dir=$(mktemp -d)
    trap 'rm -rf -- "$dir"' EXIT
    choose_how
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
