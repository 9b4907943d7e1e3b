# `history`: what credits allocated a second become when there is much history.
# shellcheck shell=bash disable=SC2154

readonly FEW=10000 MANY=10000000

bench_history() {
    start_services
    booking=allocations
    body='{"credits":100,"reason":"bench"}'
    season
    fill 0 "$FEW"
    measure "$FEW"
    local with_few=$rate
    fill "$FEW" "$MANY"
    measure "$MANY"
    ratio history "$rate" "$with_few"
}

# fill FROM TO: writes the history of that many allocations, over all users, as if they
# had been made over HTTP; only the hashes are made up.
fill() {
    local first last step=500000
    for ((first = $1; first < $2; first += step)); do
        last=$((first + step < $2 ? first + step : $2))
        say "writing history: $last of $2 entries"
        sql "$accounting_database" -v users="$users" -v first="$first" -v last="$last" -f bench/history.sql
    done
    # As autovacuum would have done by then.
    sql "$accounting_database" -c 'VACUUM ANALYZE' -c 'CHECKPOINT'
}

# measure ENTRIES
measure() {
    seconds=3 load 256 0 1 "$users"
    load 256 0 1 "$users"
    echo "accrue, 256 connections over $users users with $1 entries: $rate/s, p50 $p50 ms, p99 $p99 ms"
}
