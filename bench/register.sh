# `register`: registrations a second over raw hashes of the same cost on the same cores, and
# what of the processors everybody takes for one.
# shellcheck shell=bash disable=SC2154

bench_register() {
    build_yardstick
    start_rabbitmq
    start_mongodb
    export AUTH_HASH_QUEUE=1000 AUTH_LIMIT_SIGN_UP_BY_PEER=1000000/1
    start_both
    local raw rate
    seconds=3 register
    raw=$("$yardstick_program" hash "$seconds")
    processor_times >"$work/before"
    register
    processor_times >"$work/after"
    echo "raw argon2id: $raw/s; registrations: $rate/s"
    tell_processor_times "$(awk -v rate="$rate" -v seconds="$seconds" 'BEGIN { print rate * seconds }')" registration
    ratio register "$rate" "$raw"
    # What auth is worth where its database takes none of the cores for a process of its own.
    stop_services
    start_services
    seconds=3 register
    register
    echo "registrations with auth on SQLite: $rate/s"
    ratio register_on_sqlite "$rate" "$raw"
}

# Sets `rate`.
register() {
    local told failed
    told=$(wrk -t 1 -c 16 -d "${seconds}s" --timeout 10s -s bench/register.lua "$auth")
    read -r _ rate failed <<<"$(grep '^measured ' <<<"$told")"
    [ "${failed:?wrk failed}" = 0 ] || { say "$failed registrations failed" && exit 1; }
}
