-- What wrk sends: one message of 128 bytes again and again, as the user that is its argument.
local message

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    -- A key, so that the server reads as much of each request as of ours. The null system
    -- remembers none.
    wrk.headers["Idempotency-Key"] = "1/1"
    wrk.body = string.format('{"author":%s,"body":"%s"}', args[1], string.rep("b", 128))
    message = wrk.format()
end

function request()
    return message
end
