-- nginx and Lua with cjson: ten subrequests at once, through a proxy location that keeps its connections.
local cjson = require "cjson"

local calls = {}
for number = 0, 9 do
    calls[number + 1] = { "/part/" .. number }
end

local merged = {}
for _, answer in ipairs({ ngx.location.capture_multi(calls) }) do
    if answer.status ~= 200 then
        return ngx.exit(502)
    end
    for key, value in pairs(cjson.decode(answer.body)) do
        merged[key] = value
    end
end

local body = cjson.encode(merged)
ngx.header.content_type = "application/json"
ngx.header.content_length = #body
ngx.print(body)
