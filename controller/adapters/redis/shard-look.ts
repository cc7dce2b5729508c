import { problem } from '../../model/problem.ts';
import { layout, saveField, storeKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { waitingFunction } from './shard-stream.ts';
import { shardKeys } from './shards.ts';

/** Which moment of which store. A server that loses something may come to the same revision with another past. */
export interface StoreMoment {
  /** Empty: there is no store yet. */
  readonly id: string;
  readonly revision: number;
  /** The name of the save that made the revision; empty before the first. */
  readonly save: string;
}

export const noStore: StoreMoment = { id: '', revision: 0, save: '' };

/** What is to be seen of a shard without reading its evidence. */
export interface ShardLook {
  readonly id: string;
  readonly revision: number;
  /** Whether the moment that was known is part of its past. */
  readonly continues: boolean;
  /** What was added since, in its order and not more than a few saves at once; a text that is not there any more is the last. */
  readonly growths: readonly { readonly moment: StoreMoment; readonly text: string | undefined }[];
  /** Who works on it, for people; undefined: nobody. */
  readonly holder: string | undefined;
  /** Batches of its stream that are not saved yet. */
  readonly waiting: number;
  readonly savedMs: number | undefined;
  /** JSON, as it is stored: what sources said of the cluster's own addresses; empty when nothing was saved. */
  readonly observed: string;
}

const mostGrowths = 8;
/** So many bytes of growths are enough for one answer. */
const enoughBytes = 4 << 20;

/**
 * KEYS: layout, meta, writer, intake, then what each of the next saves has added. ARGV: how many bytes are enough, known id,
 * revision, name of its save and the field of that, then the fields with the names of the next saves.
 */
const lookScript = script(`
${waitingFunction}
local meta = redis.call('HMGET', KEYS[2], 'id', 'revision', 'savedMs', 'who', 'observed', ARGV[5])
local known, revision = tonumber(ARGV[3]), tonumber(meta[2] or '0')
local continues, growths, bytes = 0, {}, 0
if (meta[1] or '') == ARGV[2] and revision >= known and (known == 0 or meta[6] == ARGV[4]) then
  continues = 1
  for i = 1, math.min(revision - known, #KEYS - 4) do
    local text = redis.call('GET', KEYS[4 + i])
    growths[i] = {redis.call('HGET', KEYS[2], ARGV[5 + i]) or '', text and 1 or 0, text or ''}
    bytes = bytes + #growths[i][3]
    if not text or bytes > tonumber(ARGV[1]) then break end
  end
end
local holder = redis.call('EXISTS', KEYS[3]) == 1 and meta[4] or ''
local waits = waiting(KEYS[4])
local now = redis.call('GET', KEYS[1]) or ''
return {now, meta[1] or '', revision, continues, growths, holder, waits, meta[3] or '', meta[5] or ''}
`);

type Answer = [
  layout: string,
  id: string,
  revision: number,
  continues: number,
  growths: [save: string, isThere: number, text: string][],
  holder: string,
  waiting: number,
  savedMs: string,
  observed: string,
];

/** One step of the server. Rejects with RedisStoreError. */
export async function lookAtShard(link: RedisLink, storeName: string, known: StoreMoment): Promise<ShardLook> {
  const keys = storeKeys(storeName);
  const next = Array.from({ length: mostGrowths }, (_, i) => known.revision + 1 + i);
  const answer = await link.run(
    lookScript,
    [keys.layout, keys.meta, keys.writer, shardKeys(storeName).intake, ...next.map(keys.changes)],
    [enoughBytes, known.id, known.revision, known.save, saveField(known.revision), ...next.map(saveField)],
  );
  const [found, id, revision, continues, growths, holder, waiting, savedMs, observed] = answer as Answer;
  if (found !== '' && found !== `${layout}`) {
    const message = `the evidence of ${storeName} is of layout ${found}, this nanoseg reads layout ${layout}`;
    throw new RedisStoreError(problem('EvidenceNewer', message, link.name), { retryable: true });
  }
  return {
    id,
    revision,
    continues: continues === 1,
    growths: growths.map(([save, isThere, text], i) => ({
      moment: { id, revision: known.revision + 1 + i, save },
      text: isThere === 1 ? text : undefined,
    })),
    holder: holder === '' ? undefined : holder,
    waiting,
    savedMs: savedMs === '' ? undefined : Number(savedMs),
    observed,
  };
}
