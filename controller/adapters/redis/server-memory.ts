import { storeKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { shardName, type Shards } from './shards.ts';

/** How full a server is. */
export interface ServerMemory {
  /** Those that are on it. */
  readonly shards: readonly number[];
  readonly usedBytes: number;
  /** Undefined: as much as its machine has. */
  readonly mostBytes: number | undefined;
}

/** KEYS: any of a shard, which brings the question to its server. Answers with two empty texts to whoever may not ask. */
const memoryScript = script(`
local said = {}
for i, section in ipairs({'server', 'memory'}) do
  local text = redis.pcall('INFO', section)
  said[i] = type(text) == 'string' and text or ''
end
return said
`);

/** Of each server that has a shard; none where nobody may ask. Rejects with RedisStoreError. */
export async function serverMemory(link: RedisLink, shards: Shards): Promise<ServerMemory[]> {
  const found = new Map<string, { readonly shards: number[]; readonly memory: string }>();
  const asked = Array.from({ length: shards.count }, async (_, shard) => {
    const answer = await link.run(memoryScript, [storeKeys(shardName(shards, shard)).meta], []);
    const [server, memory] = answer as [string, string];
    const id = /^run_id:(\S+)/m.exec(server)?.[1];
    if (id === undefined) return;
    const known = found.get(id) ?? { shards: [], memory };
    found.set(id, known);
    known.shards.push(shard);
  });
  await Promise.all(asked);
  return [...found.values()].map(({ shards: own, memory }) => {
    const most = numberOf(memory, 'maxmemory');
    return {
      shards: own.toSorted((a, b) => a - b),
      usedBytes: numberOf(memory, 'used_memory'),
      mostBytes: most === 0 ? undefined : most,
    };
  });
}

function numberOf(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}
