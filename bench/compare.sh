# One kind of booking over HTTP against the same under pgbench: spread, hot, at half load.
# shellcheck shell=bash disable=SC2154

readonly CONNECTIONS=256

# compare NAME ROUTE BODY: the yardstick is NAME.sql.
compare() {
    local name=$1 spread hot best_spread best_hot
    booking=$2
    body=$3
    season
    # Each side once before it counts: plans, pools, caches.
    seconds=3 load "$CONNECTIONS" 0 1 "$users"
    load "$CONNECTIONS" 0 1 "$users"
    spread=$rate
    echo "accrue, $CONNECTIONS connections over $users users: $spread/s, p50 $p50 ms, p99 $p99 ms"
    best "$name" 1 "$users" 8 16 32 64
    best_spread=$best
    load "$CONNECTIONS" 0 0 0
    hot=$rate
    echo "accrue, $CONNECTIONS connections on one hot account: $hot/s, p50 $p50 ms, p99 $p99 ms"
    best "$name" 0 0 1 4 8 16 32
    best_hot=$best
    # Each connection waits so long between two requests that all of them make half of it.
    load "$CONNECTIONS" $((CONNECTIONS * 2000 / spread)) 1 "$users"
    echo "accrue at half load: $rate/s, p50 $p50 ms"
    check_books
    echo "ms p99_half_load=$p99"
    ratio "$name" "$spread" "$best_spread"
    ratio hot "$hot" "$best_hot"
    ratio hot_to_spread "$hot" "$spread"
}

# What was answered is in the books, and the books are right.
check_books() {
    local wrong
    wrong=$(sql "$accounting_database" -c "
        SELECT count(*) FROM accounts a WHERE available + reserved <> (
            SELECT coalesce(sum(credits), 0) FROM entries e WHERE e.user_id = a.user_id)")
    [ "$wrong" = 0 ] || { say "$wrong balances are not the sum of their entries" && exit 1; }
}
