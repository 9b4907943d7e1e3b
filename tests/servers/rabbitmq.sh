#!/usr/bin/env bash
# A RabbitMQ broker for tests.
name=rabbitmq
image=${ACCRUE_TEST_RABBITMQ_IMAGE:-rabbitmq:4}
image_port=5672
# shellcheck source=tests/servers/common.sh
source "$(dirname "$0")/common.sh"

server_url() { echo "amqp://guest:guest@127.0.0.1:$1"; }

# Debian's command in /usr/sbin is a wrapper that changes the user and loses the
# cookie; the broker's own script lies here.
find_program() {
    program=/usr/lib/rabbitmq/bin/rabbitmq-server
    [ -x "$program" ] || program=$(command -v rabbitmq-server) || return 1
    command -v epmd >/dev/null
}

install_program() {
    may_install || absent "RabbitMQ is missing: install rabbitmq-server (Debian: apt-get install rabbitmq-server), or set ACCRUE_TEST_RABBITMQ_URL"
    apt_install rabbitmq-server procps
}

start_program() {
    find_program
    mkdir -p "$dir/home"
    if [ ! -f "$dir/url" ]; then
        free_port >"$dir/dist_port"
        free_port >"$dir/epmd_port"
        printf '%s' "${ACCRUE_TEST_RABBITMQ_CONFIG:-}" >"$dir/rabbitmq.conf"
        echo '[].' >"$dir/plugins"
        echo "from $program" >"$dir/origin"
    fi
    export HOME=$dir/home ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT
    ERL_EPMD_PORT=$(<"$dir/epmd_port")
    # Erlang's port mapper: one of our own, or the broker would start one that outlives it.
    if [ ! -f "$dir/companion" ] || ! is_alive "$(<"$dir/companion")"; then
        launch "$dir/companion" epmd
        wait_until 10 is_open "$ERL_EPMD_PORT" || return 1
    fi
    # RUNNING_UNDER_SYSTEMD makes the script become the broker instead of its parent.
    launch "$dir/pid" env \
        RABBITMQ_NODENAME="accrue-$port@localhost" \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$port" \
        RABBITMQ_DIST_PORT="$(<"$dir/dist_port")" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        RABBITMQ_MNESIA_BASE="$dir/data" \
        RABBITMQ_LOG_BASE="$dir/logs" \
        RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins" \
        RUNNING_UNDER_SYSTEMD=yes \
        "$program"
    wait_for speaks_amqp
}

discard_program() { :; }

# The port opens before the broker, and a container's port before its server:
# only an answer to AMQP's greeting tells that it is there.
speaks_amqp() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf 'AMQP\x00\x00\x09\x01' >&3
        IFS= read -r -N 1 -t 2 -u 3 byte && [ "$byte" = $'\x01' ]
    ) 2>/dev/null
}

# Its data is stored under its host's name, which must outlive a restart.
image_options() { printf '%s\n' --hostname broker; }
image_arguments() { :; }
image_answers() { speaks_amqp; }

# `ctl DIR ARGUMENTS`: the broker's own rabbitmqctl, for alarms and policies.
control() {
    dir=$(cd "$1" && pwd)
    shift
    if [ -f "$dir/container" ]; then
        docker exec "$(<"$dir/container")" rabbitmqctl -q "$@"
        return
    fi
    find_program
    HOME=$dir/home ERL_EPMD_PORT=$(<"$dir/epmd_port") RABBITMQ_NODENAME="accrue-$(<"$dir/port")@localhost" \
        RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" "$(dirname "$program")/rabbitmqctl" -q "$@"
}

if [ "${1:-}" = ctl ] && [ $# -ge 3 ]; then
    shift
    control "$@"
else
    main "$@"
fi
