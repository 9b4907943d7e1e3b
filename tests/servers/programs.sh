# A server from a program on this machine: installing it, launching it, waiting for it.
# shellcheck shell=bash disable=SC2154

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
