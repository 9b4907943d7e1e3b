# `allocate`: credits allocated a second, spread and on one hot account.
# shellcheck shell=bash disable=SC2154

bench_allocate() {
    sql "$yardstick" -v users="$users" -f bench/yardstick/schema.sql
    start_services
    local connections=256 spread hot yardstick_spread

    # Each side once before it counts: plans, pools, files.
    seconds=3 load allocate "$connections" 0 1 "$users"
    load allocate "$connections" 0 1 "$users"
    spread=$rate
    echo "accrue, $connections connections over $users users: $spread/s, p50 $p50 ms, p99 $p99 ms"
    best allocate.sql 8 16 32 64
    yardstick_spread=$best
    load allocate "$connections" 0 0 0
    hot=$rate
    echo "accrue, $connections connections on one hot account: $hot/s, p50 $p50 ms, p99 $p99 ms"
    best allocate_hot.sql 1 4 8 16 32
    # Each connection waits so long between two requests that all of them make half of it.
    load allocate "$connections" $((connections * 2000 / spread)) 1 "$users"
    echo "accrue at half load: $rate/s, p50 $p50 ms"
    check_books
    echo "ms p99_half_load=$p99"
    ratio allocate "$spread" "$yardstick_spread"
    ratio hot "$hot" "$best"
    ratio hot_to_spread "$hot" "$spread"
}

# What was answered is in the books, and the books are right.
check_books() {
    local wrong
    wrong=$(sql "$accounting_database" -c "
        SELECT count(*) FROM accounts a WHERE available <> (
            SELECT coalesce(sum(credits), 0) FROM entries e WHERE e.user_id = a.user_id)")
    [ "$wrong" = 0 ] || { say "$wrong balances are not the sum of their entries" && exit 1; }
}
