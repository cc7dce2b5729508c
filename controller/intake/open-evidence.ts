import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { RedisLink } from '../adapters/redis/redis-link.ts';
import type { Shards } from '../adapters/redis/shards.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { ControllerProblem, identity } from '../backend.ts';
import type { ControllerConfig } from '../config.ts';
import type { Problem } from '../model/problem.ts';
import type { ConnectionStore } from '../ports.ts';

const askAgainMs = 2_000;

export interface OpenEvidence {
  readonly config: ControllerConfig;
  readonly log: Logger;
  /** Evidence where nothing else is asked for. */
  readonly embedded: () => Promise<ConnectionStore>;
}

/** Opens what evidence is kept in; as `untilOpen`. */
export async function openEvidence(
  { config, log, embedded }: OpenEvidence,
  signal: AbortSignal,
): Promise<ConnectionStore> {
  return untilOpen(config.redis === undefined ? embedded : await redisOpener(config, config.redis, log), log, signal);
}

/**
 * A server that does not answer yet is asked again until aborted; all else that a person has to repair is a
 * ControllerProblem.
 */
export async function untilOpen<Opened>(
  open: () => Promise<Opened>,
  log: Logger,
  signal: AbortSignal,
): Promise<Opened> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const found = problemOf(error);
      if (found === undefined) throw error;
      if (!mayPass(error) || found.code === 'EvidenceInUse') throw new ControllerProblem(found);
      log.warn({ problem: found }, 'the evidence cannot be opened and is tried again');
      await systemClock.sleep(askAgainMs, signal);
    }
  }
}

/** Rejects with ControllerProblem for what a person has to repair in the evidence that `work` reads. */
export async function repairable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const found = problemOf(error);
    throw found === undefined ? error : new ControllerProblem(found);
  }
}

/** The connection and the shards that all processes of one name share. */
export interface SharedEvidence {
  readonly link: RedisLink;
  readonly shards: Shards;
}

/** As `untilOpen`. */
export async function openSharedEvidence(
  config: ControllerConfig & { readonly redis: NonNullable<ControllerConfig['redis']> },
  log: Logger,
  signal: AbortSignal,
): Promise<SharedEvidence> {
  const { redis, ownNamespace: namespace, workspace } = config;
  const [{ openRedisLink }, { openShards }, { sharedName }] = await Promise.all([
    import('../adapters/redis/open-redis-link.ts'),
    import('../adapters/redis/shards.ts'),
    import('../adapters/redis/store-name.ts'),
  ]);
  const directory = workspace === undefined ? undefined : resolve(workspace);
  const name = redis.name ?? sharedName({ hostname: hostname(), namespace, workspace: directory });
  const link = await untilOpen(() => openRedisLink(redis), log, signal);
  try {
    const shards = await untilOpen(() => openShards(link, name, redis.shards), log, signal);
    log.info({ server: link.name, name, shards: shards.count }, 'evidence is shared over Redis');
    if (redis.shards !== undefined && redis.shards !== shards.count) {
      log.warn(
        { wanted: redis.shards, shards: shards.count },
        'the number of shards was fixed when the name was first used',
      );
    }
    return { link, shards };
  } catch (error) {
    link.close();
    throw error;
  }
}

async function redisOpener(
  { ownNamespace: namespace, workspace }: ControllerConfig,
  config: NonNullable<ControllerConfig['redis']>,
  log: Logger,
): Promise<() => Promise<ConnectionStore>> {
  // only who keeps evidence there needs the client
  const [{ openRedisStore }, { storeName }] = await Promise.all([
    import('../adapters/redis/open-redis-store.ts'),
    import('../adapters/redis/store-name.ts'),
  ]);
  const directory = workspace === undefined ? undefined : resolve(workspace);
  const name = config.name ?? storeName({ hostname: hostname(), namespace, workspace: directory });
  return async () => {
    const store = await openRedisStore({ config, name, who: identity, clock: systemClock });
    log.info({ server: store.server, name, saves: store.saves }, 'evidence is kept in Redis');
    return store;
  };
}

function problemOf(error: unknown): Problem | undefined {
  return error instanceof Error && 'problem' in error ? (error.problem as Problem) : undefined;
}

/** Whether it may work later without anybody doing anything. */
export function mayPass(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}
