# `allocate`: credits allocated a second.
# shellcheck shell=bash disable=SC2154

bench_allocate() {
    sql "$yardstick" -v users="$users" -f bench/yardstick/schema.sql
    start_services
    compare allocate allocations '{"credits":100,"reason":"bench"}'
}
