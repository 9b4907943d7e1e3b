-- wrk's script: bookings over a range of users, each request with a key of its own.
local token, delay_ms = os.getenv("TOKEN"), tonumber(os.getenv("DELAY_MS"))
local route, body = os.getenv("ROUTE"), os.getenv("BODY")
local first, last = tonumber(os.getenv("FIRST_USER")), tonumber(os.getenv("LAST_USER"))
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token }
local run, count = string.format("%x", os.time()), 0

math.randomseed(os.time())
function request()
    count = count + 1
    headers["Idempotency-Key"] = table.concat({ run, route, first, last, delay_ms, count }, "-")
    local path = "/v1/accounts/user-" .. math.random(first, last) .. "/" .. route
    return wrk.format("POST", path, headers, body)
end

if delay_ms > 0 then
    -- Spread, so that connections do not march in step.
    function delay() return math.random(0, 2 * delay_ms) end
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
    io.write(string.format("measured %d %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
