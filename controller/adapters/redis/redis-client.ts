import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './redis-address.ts';

/** What the servers want to know and to show. */
export interface RedisCredentials {
  readonly user?: string;
  readonly password?: string;
  /** Of the Sentinels, where they want one. */
  readonly sentinelPassword?: string;
  /** PEM: the authority of the servers' certificates. @default those that Node trusts */
  readonly ca?: string;
}

export type RedisClient = Redis | Cluster;

const connectMs = 5_000;
/** A request fails after so many connections in vain; who asks tries again later. */
const retries = 2;

/** Connects with its first request, and again whenever the connection breaks. */
export function redisClient(address: RedisAddress, credentials: RedisCredentials): RedisClient {
  const { kind, tls, hosts, master, db } = address;
  const common = commonOptions(address, credentials);
  const retryStrategy = (times: number) => Math.min(50 * 2 ** times, 2_000);
  const { sentinelPassword } = credentials;
  switch (kind) {
    case 'standalone':
      return new Redis({ ...common, ...hosts[0], db, retryStrategy });
    case 'sentinel':
      return new Redis({
        ...common,
        sentinels: [...hosts],
        name: master,
        db,
        retryStrategy,
        ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: common.tls ?? {} }),
        ...(sentinelPassword !== undefined && { sentinelPassword }),
        sentinelRetryStrategy: (times) => (times > retries ? null : 100 * times),
      });
    case 'cluster':
      return new Cluster([...hosts], {
        redisOptions: common,
        lazyConnect: true,
        // certificates are for names, and the names of nodes are what the cluster announces
        ...(tls && { dnsLookup: (host, done) => done(null, host) }),
        clusterRetryStrategy: retryStrategy,
      });
  }
}

/** What each host of the address has against us; the clients of a cluster and of Sentinels keep that to themselves. */
export async function hostFaults(address: RedisAddress, credentials: RedisCredentials): Promise<Error[]> {
  const { username, password, ...common } = commonOptions(address, credentials);
  const { sentinelPassword } = credentials;
  const own = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  const ofSentinel = sentinelPassword === undefined ? {} : { password: sentinelPassword };
  const options = { ...common, ...(address.kind === 'sentinel' ? ofSentinel : own), retryStrategy: null };
  const faults = await Promise.all(address.hosts.map((host) => hostFault(new Redis({ ...options, ...host }))));
  return faults.filter((fault) => fault !== undefined);
}

async function hostFault(host: Redis): Promise<Error | undefined> {
  let fault: Error | undefined;
  host.on('error', (error: Error) => (fault = error));
  try {
    await host.connect();
    await host.ping();
    return undefined;
  } catch (error) {
    return fault ?? (error as Error);
  } finally {
    host.disconnect();
  }
}

function commonOptions({ user: ofUrl, tls }: RedisAddress, { user, password, ca }: RedisCredentials) {
  const username = user ?? ofUrl;
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: ca === undefined ? {} : { ca } }),
    connectTimeout: connectMs,
    maxRetriesPerRequest: retries,
    connectionName: 'nanoseg',
    lazyConnect: true,
    // after a failover it is another server that takes writes
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  } satisfies RedisOptions;
}
