#!/usr/bin/env bash
# A PostgreSQL server for tests.
name=postgres
image=${ACCRUE_TEST_POSTGRES_IMAGE:-postgres:17}
image_port=5432
# shellcheck source=tests/servers/common.sh
source "$(dirname "$0")/common.sh"

readonly MAX_CONNECTIONS=300

server_url() { echo "postgres://postgres@127.0.0.1:$1/postgres"; }

# Debian keeps these out of PATH, one directory a version.
find_program() {
    local found
    while read -r found; do
        if [ -x "$found/initdb" ] && [ -x "$found/postgres" ]; then program=$found; fi
    done < <(
        dirname "$(command -v initdb)"
        pg_config --bindir 2>/dev/null
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -V
    )
    [ -n "${program:-}" ]
}

install_program() {
    may_install || absent "PostgreSQL is missing: install postgresql (Debian: apt-get install postgresql), or set ACCRUE_TEST_POSTGRES_URL"
    apt_install postgresql procps
}

start_program() {
    find_program
    local run=()
    # PostgreSQL refuses to run as root.
    if [ "$(id -u)" = 0 ]; then
        local user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        run=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
        chmod 711 "$dir"
        "${run[@]}" test -x "$dir" || {
            say "runs as user $user, who cannot reach $dir: chmod a+x what it lies in"
            exit 1
        }
        mount_disk
        install -d -o "$user" -m 700 "$dir/data"
        install -o "$user" -m 600 /dev/null "$dir/log"
    fi
    if [ ! -f "$dir/data/PG_VERSION" ]; then
        "${run[@]}" "$program/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 ||
            { tail -n 5 "$dir/initdb.log" >&2; return 1; }
        echo "from $program" >"$dir/origin"
    fi
    # `kill` has made sure that the one it names is dead, but PostgreSQL would take
    # a zombie for alive.
    local lock_file=$dir/data/postmaster.pid
    rm -f "$lock_file"
    # No socket file: its path would be too long in many a directory.
    local arguments
    mapfile -t arguments < <(image_arguments)
    launch "$dir/pid" "${run[@]}" "$program/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= "${arguments[@]}"
    wait_for grep -qs '^ready' "$lock_file"
}

# A disk of its own, of the size of ACCRUE_TEST_DISK, which a test can fill, where one may be mounted.
mount_disk() {
    [ -n "${ACCRUE_TEST_DISK:-}" ] && [ ! -d "$dir/data" ] || return 0
    mkdir "$dir/data"
    mount -t tmpfs -o "size=$ACCRUE_TEST_DISK" tmpfs "$dir/data" 2>/dev/null || true
}

# One that was killed leaves a segment of shared memory, whose number it has noted.
discard_program() {
    local segment
    segment=$(awk 'NR == 7 { print $2 }' "$dir/data/postmaster.pid" 2>/dev/null) || true
    [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null || true
    ! grep -qs " $dir/data tmpfs " /proc/self/mounts || umount -l "$dir/data"
}

image_options() { printf '%s\n' -e POSTGRES_HOST_AUTH_METHOD=trust; }
image_arguments() {
    local setting
    # A benchmark's own settings, NAME=VALUE each.
    for setting in max_connections="$MAX_CONNECTIONS" ${ACCRUE_TEST_POSTGRES_SETTINGS:-}; do
        printf '%s\n' -c "$setting"
    done
}
image_answers() { docker exec "$1" pg_isready -q -h 127.0.0.1 -U postgres 2>/dev/null; }

main "$@"
