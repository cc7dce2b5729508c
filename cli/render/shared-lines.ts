import { counted } from '../../controller/model/counted.ts';
import type { StreamsStatus } from '../../controller/model/profile.ts';

/** Shards that are named one by one. */
const named = 8;

/** How several processes share the work over Redis, as labels with what is to be said. */
export function sharedLines({ server, memory, shards, members }: StreamsStatus): string[][] {
  const free = shards.filter(({ holder }) => holder === undefined);
  const total = shards.reduce((sum, { waiting }) => sum + waiting, 0);
  const worst = shards.reduce((most, shard) => (shard.waiting > most.waiting ? shard : most), {
    shard: 0,
    waiting: 0,
  });
  const where = worst.waiting === 0 ? '' : `, ${worst.waiting} of them in shard ${worst.shard}`;
  return [
    ['redis', `${server}${memory.length === 0 ? '' : `: ${memory.map(memoryText).join(', ')}`}`],
    [
      'shards',
      `${shards.length - free.length} of ${shards.length} are counted; ${counted(total, 'batch', 'batches')} waiting${where}`,
    ],
    ...(free.length === 0 ? [] : [['SHARDS', `nobody counts ${numbers(free.map(({ shard }) => shard))}`]]),
    ...members.map(({ who, role, shards: held, problems }) => [
      role === 'ingest' ? 'counts' : 'decides',
      `${who}${role === 'ingest' ? `: ${counted(held, 'shard')}` : ''}${problems.map((text) => `; ${text}`).join('')}`,
    ]),
  ];
}

function numbers(shards: readonly number[]): string {
  const rest = shards.length - named;
  return `${shards.length === 1 ? 'shard' : 'shards'} ${shards.slice(0, named).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function memoryText({ usedBytes, mostBytes }: StreamsStatus['memory'][number]): string {
  return mostBytes === undefined ? mebibytes(usedBytes) : `${mebibytes(usedBytes)} of ${mebibytes(mostBytes)}`;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / (1 << 20))} MiB`;
}
