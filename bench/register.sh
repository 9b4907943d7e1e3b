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
    local before after name
    before=$(processor_times)
    register
    after=$(processor_times)
    echo "raw argon2id: $raw/s; registrations: $rate/s"
    for name in auth accounting mongodb rabbitmq postgres; do
        echo "processor ms a registration, $name: $(paste <(grep "^$name " <<<"$before") <(grep "^$name " <<<"$after") |
            awk -v rate="$rate" -v seconds="$seconds" '{ printf "%.2f", ($4 - $2) / rate / seconds }')"
    done
    ratio register "$rate" "$raw"
    # What auth is worth where its database takes none of the cores for a process of its own.
    stop_services
    start_services
    seconds=3 register
    register
    echo "registrations with auth on SQLite: $rate/s"
    ratio register_on_sqlite "$rate" "$raw"
}

# Lines `NAME MILLISECONDS`: what each has had of the processors, with the processes below it.
processor_times() {
    processor_time auth "${running[0]}"
    processor_time accounting "${running[1]}"
    local server
    for server in mongodb rabbitmq postgres; do processor_time "$server" "$(<"$work/$server/pid")"; done
}

# processor_time NAME PID
processor_time() {
    ps -A -o pid= -o ppid= | awk -v root="$2" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = pid; up in parent && up != root; up = parent[up]) { }
                if (up == root) print pid
            }
        }' | while read -r pid; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
        awk -v name="$1" -v hertz="$(getconf CLK_TCK)" '
            { sub(/^.*\) /, ""); sum += $12 + $13 }
            END { printf "%s %d\n", name, sum * 1000 / hertz }'
}

# Sets `rate`.
register() {
    local told failed
    told=$(wrk -t 1 -c 16 -d "${seconds}s" --timeout 10s -s bench/register.lua "$auth")
    read -r _ rate failed <<<"$(grep '^measured ' <<<"$told")"
    [ "${failed:?wrk failed}" = 0 ] || { say "$failed registrations failed" && exit 1; }
}
