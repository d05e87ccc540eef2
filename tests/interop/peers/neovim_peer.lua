-- Neovim: a client of our server, by sockconnect, rpcrequest and rpcnotify. Run as
--   nvim --headless --clean --cmd "let g:address = 'tcp://127.0.0.1:8000'" --cmd 'luafile neovim_peer.lua'
-- Lines as those of examples/interop_client. As a server Neovim needs no driver: it answers its API.

local address = vim.g.address
local kind, where = address:match('^(%a+)://(.*)$')
local channel = vim.fn.sockconnect(kind == 'unix' and 'pipe' or 'tcp', where, { rpc = true })
local passed, failed = 0, 0

local function line(outcome, name, detail)
  detail = detail and ': ' .. tostring(detail):gsub('%s+', ' '):sub(1, 300) or ''
  io.stdout:write(('%-7s %s%s\n'):format(outcome, name, detail))
end

local function check(name, run)
  local good, why = pcall(run)
  if good then
    passed = passed + 1
    line('ok', name)
  else
    failed = failed + 1
    line('FAILED', name, why)
  end
end

local function call(method, ...)
  return vim.rpcrequest(channel, method, ...)
end

local function equal(seen, expected)
  if not vim.deep_equal(seen, expected) then
    error(vim.inspect(seen):sub(1, 200) .. ' instead of ' .. vim.inspect(expected):sub(1, 200), 0)
  end
end

local function fails_with(text, ...)
  local good, why = pcall(call, ...)
  if good then
    error('no error', 0)
  end
  -- Neovim puts a line of its own before the text.
  if not tostring(why):find(text, 1, true) then
    error(('%s instead of %s'):format(why, text), 0)
  end
end

local phones = { { type = 'home', number = '212 555-1234' }, { type = 'office', number = '646' } }
local values = {
  ['echo nil and booleans'] = { vim.NIL, true, false },
  ['echo integers of every width'] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, -1, -32, -33, -129, -32769 },
  ['echo large integers'] = { 4294967296, -4294967296, 9007199254740991, -9007199254740991 },
  ['echo floats'] = { -1.5, 0.1, 1e300 },
  ['echo text of every width'] = { ('x'):rep(31), ('x'):rep(32), ('x'):rep(255), ('x'):rep(256), ('x'):rep(65536) },
  ['echo text beyond ASCII'] = 'Grüße, 世界, 🦀',
  ['echo bytes in a str'] = '\255\254\253',
  ['echo maps'] = { firstName = 'John', isAlive = true, height_cm = 167.6, phoneNumbers = phones },
  ['echo a megabyte'] = ('x'):rep(1048576),
}

for name, value in pairs(values) do
  check(name, function() equal(call('echo', value), value) end)
end
line('skipped', 'echo the largest u64', 'numbers of Lua are floats')
line('skipped', 'echo maps with integers for keys', 'a table with integers for keys is a list')

check('add', function() equal(call('add', 40, 2), 42) end)
check('fail', function() fails_with('boom', 'fail', 'boom') end)
check('an unknown method', function() fails_with('[-32601] unknown method: nope', 'nope') end)
check('a wrong number of arguments', function()
  fails_with('[-32602] method `add` takes 2 parameters (a: i64, b: i64), got 1', 'add', 1)
end)
check('a hundred calls, one after another', function()
  for n = 1, 100 do
    equal(call('add', n, 1000), n + 1000)
  end
end)
check('a notification', function()
  for n = 1, 20 do
    vim.rpcnotify(channel, 'note', 'note ' .. n)
    equal(call('last_note'), 'note ' .. n)
  end
end)
check('notifications that fail are not answered', function()
  vim.rpcnotify(channel, 'nope', 1)
  vim.rpcnotify(channel, 'note')
  equal(call('add', 20, 22), 42)
end)
check('it is called back while it waits', function()
  equal(call('call_back', 'nvim_eval', { '6 * 7' }), 42)
end)
check('it calls while it is called back while it waits', function()
  local code = 'return vim.rpcrequest(...)'
  equal(call('call_back', 'nvim_exec_lua', { code, { channel, 'add', 1, 2 } }), 3)
end)
check('its error arrives through a call back', function()
  fails_with('Invalid method: nope', 'call_back', 'nope', {})
end)
check('the channel lives', function() equal(call('echo', 'still'), 'still') end)

io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
io.stdout:flush()
vim.cmd(failed == 0 and 'qall!' or 'cquit 1')
