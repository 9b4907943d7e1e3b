# `lag`: from the answer to a registration to its active account, one after the other.
# shellcheck shell=bash disable=SC2154

readonly REGISTRATIONS=500

bench_lag() {
    build_yardstick
    start_rabbitmq
    start_mongodb
    start_both
    # Plans, pools, files.
    "$yardstick_program" lag "$auth" "$accounting" "$token" 50 >/dev/null
    local p50 p99
    read -r p50 p99 < <("$yardstick_program" lag "$auth" "$accounting" "$token" "$REGISTRATIONS")
    echo "ms lag_p50=${p50:?}"
    echo "ms lag_p99=${p99:?}"
}
