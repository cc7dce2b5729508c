import { createHash } from 'node:crypto';

/** Lua that the server runs as one atomic step. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Does once, on a key of no meaning, what the others do, so that a right that is missing is met before there is evidence. */
export const rightsScript = script(`
local key = KEYS[1]
redis.call('HSET', key, 'a', 1)
redis.call('HINCRBY', key, 'a', 1)
redis.call('HMGET', key, 'a')
redis.call('HGETALL', key)
redis.call('HDEL', key, 'a')
redis.call('RPUSH', key, 'a')
redis.call('LLEN', key)
redis.call('LRANGE', key, 0, -1)
redis.call('UNLINK', key)
redis.call('APPEND', key, 'a')
redis.call('SET', key, 'a', 'PX', 1000)
redis.call('GET', key)
redis.call('PTTL', key)
redis.call('PEXPIRE', key, 1000)
redis.call('DEL', key)
local id = redis.call('XADD', key, '*', 'a', 1)
redis.call('XLEN', key)
redis.call('XRANGE', key, '-', '+')
redis.call('XREVRANGE', key, '+', '-')
redis.call('XDEL', key, id)
redis.call('EXISTS', key)
redis.call('DEL', key)
return 1
`);

/**
 * Takes the right to write. KEYS: layout, meta, writer. ARGV: the layout that is made, our token, who we are, for how long,
 * the id of a store that has to be made, the other layouts that we can read. Answers with `layout` and another one, `held`,
 * by whom and for how long still, or `claimed`, id, claim, revision, the highest number of an endpoint, the layout, the token
 * of the writer before.
 */
export const claimScript = script(`
local layout = redis.call('GET', KEYS[1])
local readable = not layout or layout == ARGV[1]
for i = 6, #ARGV do readable = readable or layout == ARGV[i] end
if not readable then return {'layout', layout} end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] then
  return {'held', redis.call('HGET', KEYS[2], 'who') or '', redis.call('PTTL', KEYS[3])}
end
local id = redis.call('HGET', KEYS[2], 'id')
if not layout then redis.call('SET', KEYS[1], ARGV[1]) end
if not id then
  id = ARGV[5]
  redis.call('HSET', KEYS[2], 'id', id, 'claim', 0, 'revision', 0, 'fields', 0, 'endpoints', 0)
end
local former = redis.call('HGET', KEYS[2], 'writer') or ''
redis.call('HSET', KEYS[2], 'writer', ARGV[2], 'who', ARGV[3])
local claim = redis.call('HINCRBY', KEYS[2], 'claim', 1)
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[4])
local known = redis.call('HMGET', KEYS[2], 'revision', 'endpoints')
return {'claimed', id, claim, tonumber(known[1]), tonumber(known[2]), layout or ARGV[1], former}
`);

/** Keeps the right to write while nothing is written. KEYS: meta, writer. ARGV: our token, for how long. */
export const renewScript = script(`
local holder = redis.call('GET', KEYS[2])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
if not holder and redis.call('HGET', KEYS[1], 'writer') == ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
`);

/** KEYS: writer. ARGV: our token. */
export const releaseScript = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

/** Puts down a part of a save. KEYS: meta, staged. ARGV: our token, how long it may lie there, operations as of the script of a save. */
export const stageScript = script(`
if redis.call('HGET', KEYS[1], 'writer') ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[2])
redis.call('RPUSH', KEYS[2], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return #ARGV - 2
`);

/**
 * One save as a whole, or nothing of it. KEYS: meta, writer, those of the operations. ARGV: id, our token, claim, revision
 * that it makes, for how long we write, number of staged parts, their lengths; then operations: command, position of its
 * key in KEYS, number of arguments, arguments (of XDEL, the ids as one text). Staged parts are the last of KEYS and hold
 * operations too, which come first.
 *
 * Answers with `saved`, also when this very save was made before and nobody heard of it; `lost` when saves of ours are not
 * there any more; `taken` when another writer came after us; `staged` when a part is missing.
 */
export const saveScript = script(`
local seen = redis.call('HMGET', KEYS[1], 'id', 'writer', 'claim', 'revision')
if not seen[1] then return 'lost' end
local claim, revision = tonumber(ARGV[3]), tonumber(ARGV[4])
if seen[2] ~= ARGV[2] or seen[1] ~= ARGV[1] then
  if seen[1] == ARGV[1] and tonumber(seen[3]) < claim then return 'lost' end
  return 'taken'
end
local parts = tonumber(ARGV[6])
local found = tonumber(seen[4])
if found == revision then
  for part = 1, parts do redis.call('UNLINK', KEYS[#KEYS - parts + part]) end
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
  return 'saved'
end
if found ~= revision - 1 then return 'lost' end
for part = 1, parts do
  if redis.call('LLEN', KEYS[#KEYS - parts + part]) ~= tonumber(ARGV[6 + part]) then return 'staged' end
end
local fields = 0
local function remove(key, text)
  local ids = {}
  for id in string.gmatch(text, '%S+') do
    ids[#ids + 1] = id
    if #ids == 1000 then
      redis.call('XDEL', key, unpack(ids))
      ids = {}
    end
  end
  if #ids > 0 then redis.call('XDEL', key, unpack(ids)) end
end
local function apply(list, at)
  while at <= #list do
    local command, key, count = list[at], KEYS[tonumber(list[at + 1])], tonumber(list[at + 2])
    local changed = 0
    if command == 'XDEL' then remove(key, list[at + 3])
    else changed = redis.call(command, key, unpack(list, at + 3, at + 2 + count)) end
    if key ~= KEYS[1] then
      if command == 'HSET' then fields = fields + changed elseif command == 'HDEL' then fields = fields - changed end
    end
    at = at + 3 + count
  end
end
for part = 1, parts do
  local key = KEYS[#KEYS - parts + part]
  apply(redis.call('LRANGE', key, 0, -1), 1)
end
apply(ARGV, 7 + parts)
for part = 1, parts do redis.call('UNLINK', KEYS[#KEYS - parts + part]) end
if fields ~= 0 then redis.call('HINCRBY', KEYS[1], 'fields', fields) end
redis.call('HSET', KEYS[1], 'revision', revision)
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
return 'saved'
`);

/** KEYS: a bucket of connections. Answers with their number and a JSON array of arrays: field and value, end to end. */
export const readScript = script(`
local rows = redis.call('HGETALL', KEYS[1])
if #rows == 0 then return {0, '[]'} end
local texts = {}
for i = 1, #rows, 2 do texts[#texts + 1] = rows[i] .. ',' .. rows[i + 1] end
return {#texts, '[[' .. table.concat(texts, '],[') .. ']]'}
`);

/**
 * Forgets connections of one bucket that were last seen before a time. KEYS: meta, a bucket. ARGV: our token, the time.
 * The sixth number of a connection's value is when it was seen last.
 */
export const sweepScript = script(`
if redis.call('HGET', KEYS[1], 'writer') ~= ARGV[1] then return 0 end
local before = tonumber(ARGV[2])
local rows = redis.call('HGETALL', KEYS[2])
local old = {}
for i = 1, #rows, 2 do
  local last = tonumber(string.match(rows[i + 1], '^%d+,%d+,%d+,%d+,%d+,(%d+),'))
  if last and last < before then old[#old + 1] = rows[i] end
end
for i = 1, #old, 4000 do redis.call('HDEL', KEYS[2], unpack(old, i, math.min(i + 3999, #old))) end
if #old > 0 then redis.call('HINCRBY', KEYS[1], 'fields', -#old) end
return #old
`);
