import type { FollowedShard } from '../adapters/redis/evidence-follower.ts';
import type { MemberReport } from '../adapters/redis/members.ts';
import type { ServerMemory } from '../adapters/redis/server-memory.ts';
import type { StreamsStatus } from '../model/profile.ts';

export interface SharedWork {
  readonly server: string;
  readonly memory: readonly ServerMemory[];
  readonly shards: readonly FollowedShard[];
  readonly members: readonly MemberReport[];
}

/** Who shares the work over Redis and what waits there, as resources and the API say it. */
export function streamsStatus({ server, memory, shards, members }: SharedWork): StreamsStatus {
  return {
    server,
    memory: memory.map(({ usedBytes, mostBytes }) => ({ usedBytes, ...(mostBytes !== undefined && { mostBytes }) })),
    shards: shards.map(({ shard, holder, waiting, savedMs }) => ({
      shard,
      ...(holder !== undefined && { holder }),
      waiting,
      ...(savedMs !== undefined && { savedAt: new Date(savedMs).toISOString() }),
    })),
    members: members
      .map(({ who, role, shards: held, startedMs, problems }) => ({
        who,
        role,
        shards: held.length,
        startedAt: new Date(startedMs).toISOString(),
        problems,
      }))
      .sort((a, b) => (a.who < b.who ? -1 : 1)),
  };
}

/** A status that is written down: figures that move all the time are those of some moments only. */
export class PacedStreams {
  readonly #paceMs: number;
  #last: { readonly status: StreamsStatus; readonly settled: string; readonly atMs: number } | undefined;

  /** `paceMs`: least time between two changes of figures. */
  constructor(paceMs: number) {
    this.#paceMs = paceMs;
  }

  at(status: StreamsStatus | undefined, nowMs: number): StreamsStatus | undefined {
    if (status === undefined) return undefined;
    const settled = JSON.stringify([status.server, status.members, status.shards.map(({ holder }) => holder ?? null)]);
    const last = this.#last;
    if (last?.settled === settled && nowMs < last.atMs + this.#paceMs) return last.status;
    this.#last = { status, settled, atMs: nowMs };
    return status;
  }
}
