-- What wrk sends: one body again and again, as SOPHON_TOKEN's owner. Says at the end: answers, microseconds, failures.
local file = assert(io.open(os.getenv("SOPHON_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("SOPHON_TOKEN")
file:close()

function done(summary)
  local failed = summary.errors
  io.write(string.format("%d %d %d\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.timeout + failed.status))
end
