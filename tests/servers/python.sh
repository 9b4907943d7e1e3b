# Python environments with packages from PyPI, which pip finds as it is configured to.
# shellcheck shell=bash disable=SC2154

# environment NAME: where it lies. Kept beside what cargo builds: `cargo clean` removes
# it, the next run makes it again.
environment() {
    local target
    target=${CARGO_TARGET_DIR:-$(cd "$here/../.." && pwd)/target}
    echo "$target/test-servers/$1"
}

# install_environment NAME HELP ARGUMENTS FOR pip install...: makes it where that can be
# done; else ends the script with HELP.
install_environment() {
    local wanted=$1 help=$2
    shift 2
    [ "${ACCRUE_TEST_INSTALL:-yes}" != no ] || absent "$wanted is missing: $help"
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        may_install || absent "python3 with venv is missing: $help"
        apt_install python3-venv procps
    fi
    say "installing $wanted from PyPI"
    if ! build_environment "$(environment "$wanted")" "$@" >"$dir/install.log" 2>&1; then
        tail -n 5 "$dir/install.log" >&2
        absent "$wanted cannot be installed: $help"
    fi
}

# Built aside and renamed: runs side by side see all of it or nothing. A renamed
# environment works as long as it is called by its bin/python.
build_environment() {
    local final=$1 building=$1.$$
    shift
    if ! { mkdir -p "$(dirname "$final")" && python3 -m venv "$building" &&
        "$building/bin/python" -m pip install -q "$@"; }; then
        rm -rf "$building"
        return 1
    fi
    mv -T "$building" "$final" && return
    # Another run was first, unless what is there no longer works.
    [ -x "$final/bin/python" ] || { rm -rf "$final" && mv -T "$building" "$final"; }
    rm -rf "$building"
}
