# `usage`: credits spent a second. The hot account has thousands of open allocations.
# shellcheck shell=bash disable=SC2154

readonly HOT_ALLOCATIONS=20000

bench_usage() {
    sql "$yardstick" -v users="$users" -v hot_allocations="$HOT_ALLOCATIONS" \
        -f bench/yardstick/schema.sql -f bench/yardstick/usage_schema.sql
    start_services
    fund
    compare usage usage '{"credits":10,"resource":"bench"}'
}

# Gives every user credits to spend, and the hot account the same many times over.
fund() {
    local first
    say "funding $users users and the hot account"
    for ((first = 1; first <= users; first += 1000)); do
        allocate_batch "spread-$first" "$(seq -f 'user-%.0f' "$first" $((first + 999 < users ? first + 999 : users)))" 1000000000
    done
    for ((first = 1; first <= HOT_ALLOCATIONS; first += 1000)); do
        allocate_batch "hot-$first" "$(yes user-0 | head -n 1000)" 1000
    done
}

# allocate_batch KEY USERS CREDITS
allocate_batch() {
    local status
    status=$(sed 's/.*/{"user_id":"&","credits":'"$3"'}/' <<<"$2" | paste -sd, | sed 's/.*/{"allocations":[&]}/' |
        curl -sS -o "$work/batch" -w '%{http_code}' "$accounting/v1/allocations/batch" \
            -H "Authorization: Bearer $token" -H "Idempotency-Key: $1" -H 'Content-Type: application/json' --data-binary @-)
    { [ "$status" = 200 ] && ! grep -q '"refused"' "$work/batch"; } || { say "credits could not be given" && exit 1; }
}
