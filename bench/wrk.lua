-- Repeats one request; the last line of the output is the result as JSON.
init = function(args)
   wrk.method = args[1]
   if args[2] ~= "" then wrk.body = args[2] end
end

done = function(summary, latency)
   local errors = summary.errors
   io.write(string.format('\n{"rate": %.2f, "p50": %.3f, "p99": %.3f, "bad": %d, "late": %d}\n',
      summary.requests / summary.duration * 1e6,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      errors.status + errors.connect + errors.read + errors.write, errors.timeout))
end
