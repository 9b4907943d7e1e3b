#!/usr/bin/env bash
# Makes the Python environment of a conformance check, once, and prints its python.
name=python
# shellcheck source=tests/servers/common.sh
source "$(dirname "$0")/../servers/common.sh"

usage() {
    cat <<EOF
usage: $(basename "$0") NAME

Prints the python that has what NAME.txt lists, beside this script. It is made under
target/ when it is used for the first time, and when that list has changed; as root on
Debian python3-venv is installed first where it is missing.
  ACCRUE_TEST_INSTALL=no    do not make it
exit code: 0 done, $ABSENT it is not here and cannot be made, 1 anything else
EOF
}

case "${1:-}" in
-h | --help) usage && exit 0 ;;
oauth_client | schemathesis) [ $# -eq 1 ] ;;
*) false ;;
esac || { usage >&2; exit 2; }

requirements=$here/../conformance/$1.txt
# An environment for every state of the list: none is ever changed under a run.
environment_name=$1-$(cksum "$requirements" | cut -d ' ' -f 1)
python=$(environment "$environment_name")/bin/python
if [ ! -x "$python" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf -- "$dir"' EXIT
    install_environment "$environment_name" \
        "it takes python3 with venv (Debian: apt-get install python3-venv) and PyPI" -r "$requirements"
fi
echo "$python"
