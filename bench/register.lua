-- wrk's script: registrations, each with an address of its own.
local run, count = string.format("%x", os.time()), 0
local headers = { ["Content-Type"] = "application/json" }

function request()
    count = count + 1
    local body = string.format('{"email":"user%d-%s@example.com","password":"correct horse battery"}', count, run)
    return wrk.format("POST", "/v1/users", headers, body)
end

function done(summary)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
    io.write(string.format("measured %.1f %d\n", summary.requests / summary.duration * 1e6, failed))
end
