import test from 'ava';
import { sharedLines } from '../../../cli/render/shared-lines.ts';
import type { StreamsStatus } from '../../../controller/model/profile.ts';

const startedAt = '2026-11-02T10:00:00.000Z';
const base: StreamsStatus = {
  server: 'redis://kept:6379',
  memory: [{ usedBytes: 3 << 20, mostBytes: 1 << 30 }],
  shards: [0, 1, 2].map((shard) => ({ shard, holder: 'a', waiting: 0 })),
  members: [
    { who: 'a', role: 'ingest', shards: 3, startedAt, problems: [] },
    { who: 'b', role: 'decide', shards: 0, startedAt, problems: [] },
  ],
};

test('a status says who counts, who decides, what waits and how full the server is', (t) => {
  t.deepEqual(sharedLines(base), [
    ['redis', 'redis://kept:6379: 3 MiB of 1024 MiB'],
    ['shards', '3 of 3 are counted; 0 batches waiting'],
    ['counts', 'a: 3 shards'],
    ['decides', 'b'],
  ]);
});

test('shards that nobody counts, the one that lags most and what a process complains of are named', (t) => {
  const shards = [
    { shard: 0, holder: 'a', waiting: 2 },
    { shard: 1, waiting: 40 },
    { shard: 2, waiting: 0 },
  ];
  const [a] = base.members;
  const members = a === undefined ? [] : [{ ...a, shards: 1, problems: ['the server is full'] }];
  t.deepEqual(sharedLines({ ...base, memory: [], shards, members }), [
    ['redis', 'redis://kept:6379'],
    ['shards', '1 of 3 are counted; 42 batches waiting, 40 of them in shard 1'],
    ['SHARDS', 'nobody counts shards 1, 2'],
    ['counts', 'a: 1 shard; the server is full'],
  ]);
});
