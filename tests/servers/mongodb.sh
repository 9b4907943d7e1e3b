#!/usr/bin/env bash
# A MongoDB server for tests, or one that speaks MongoDB's protocol where there is no MongoDB.
name=mongodb
image=${ACCRUE_TEST_MONGODB_IMAGE:-mongo:8}
image_port=27017
# shellcheck source=tests/servers/common.sh
source "$(dirname "$0")/common.sh"

# MongoDB's own server is in neither Debian nor PyPI. SecantusDB is: a server of
# MongoDB's protocol on WiredTiger, MongoDB's storage engine.
readonly SECANTUSDB=0.7.0b3

server_url() { echo "mongodb://127.0.0.1:$1/?directConnection=true"; }

# Kept beside what cargo builds: `cargo clean` removes it, the next run makes it again.
stand_in() {
    local target
    target=${CARGO_TARGET_DIR:-$(cd "$here/../.." && pwd)/target}
    echo "$target/test-servers/secantusdb-$SECANTUSDB"
}

find_program() {
    program=$(command -v mongod) || program=$(stand_in)/bin/python
    [ -x "$program" ]
}

install_program() {
    local help="install mongod, or python3 with venv (Debian: apt-get install python3-venv), or set ACCRUE_TEST_MONGODB_URL"
    [ "${ACCRUE_TEST_INSTALL:-yes}" != no ] || absent "there is neither mongod nor SecantusDB: $help"
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        may_install || absent "mongod and python3 with venv are missing: $help"
        apt_install python3-venv procps
    fi
    say "installing SecantusDB $SECANTUSDB from PyPI"
    if ! build_stand_in >"$dir/install.log" 2>&1; then
        tail -n 5 "$dir/install.log" >&2
        absent "SecantusDB cannot be installed: $help"
    fi
}

# Built aside and renamed: runs side by side see all of it or nothing. A renamed
# environment works as long as it is called by its bin/python.
build_stand_in() {
    local final building
    final=$(stand_in)
    building=$final.$$
    if ! { mkdir -p "$(dirname "$final")" && python3 -m venv "$building" &&
        "$building/bin/python" -m pip install -q --pre "SecantusDB==$SECANTUSDB"; }; then
        rm -rf "$building"
        return 1
    fi
    mv -T "$building" "$final" && return
    # Another run was first, unless what is there no longer works.
    find_program || { rm -rf "$final" && mv -T "$building" "$final"; }
    rm -rf "$building"
}

start_program() {
    find_program
    mkdir -p "$dir/data" "$dir/home"
    if [[ $program == */mongod ]]; then
        echo "from $program" >"$dir/origin"
        launch "$dir/pid" "$program" --dbpath "$dir/data" --port "$port" --bind_ip 127.0.0.1
    else
        echo "from PyPI" >"$dir/origin"
        # In a directory of its own, so that it reads nobody's configuration.
        cd "$dir/home"
        HOME=$dir/home launch "$dir/pid" "$program" -c 'import secantus.cli; secantus.cli.main()' \
            --host 127.0.0.1 --port "$port" --storage-path "$dir/data" --sync-on-commit --standalone
    fi
    wait_for is_open "$port"
}

discard_program() { :; }

image_options() { :; }
image_arguments() { :; }
image_answers() { docker exec "$1" mongosh --quiet --eval 'db.runCommand({ ping: 1 })' >/dev/null 2>&1; }

main "$@"
