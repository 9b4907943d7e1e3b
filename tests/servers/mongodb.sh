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

find_program() {
    program=$(command -v mongod) || program=$(environment "secantusdb-$SECANTUSDB")/bin/python
    [ -x "$program" ]
}

install_program() {
    install_environment "secantusdb-$SECANTUSDB" \
        "install mongod, or python3 with venv (Debian: apt-get install python3-venv), or set ACCRUE_TEST_MONGODB_URL" \
        --pre "SecantusDB==$SECANTUSDB"
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
