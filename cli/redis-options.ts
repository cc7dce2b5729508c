import { type Command, Option } from 'commander';
import { redisAddress } from '../controller/adapters/redis/redis-address.ts';
import type { ControllerConfigInput } from '../controller/config.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';
import { parseDuration } from './time-options.ts';

/** What a command line says of evidence in Redis. */
export interface RedisOptions {
  readonly redis?: string;
  readonly redisCa?: string;
  readonly redisUser?: string;
  readonly redisPasswordFile?: string;
  readonly redisName?: string;
  readonly redisRetention: number;
  readonly redisShards?: number;
  readonly redisWaiting?: number;
}

export function addRedisOptions(command: Command): Command {
  return command
    .option('--redis <url>', 'keep evidence in Redis (redis://, redis+sentinel://, redis+cluster://; docs/redis.md)')
    .option('--redis-ca <file>', "authority of the servers' certificates, in PEM")
    .option('--redis-user <name>', 'user of its access control list')
    .option('--redis-password-file <file>', 'the password (or in NANOSEG_REDIS_PASSWORD)')
    .option(
      '--redis-name <name>',
      'which evidence there (default: by the pod, or the workspace directory; of roles: the namespace)',
    )
    .addOption(
      new Option('--redis-retention <time>', 'forget there what was not seen for so long (0: never)')
        .argParser(parseDuration)
        .default(400 * 86_400_000, '400d'),
    )
    .addOption(
      new Option(
        '--redis-shards <n>',
        'with roles: into how many parts flows are split (default: 16; fixed at first)',
      ).argParser(count),
    )
    .addOption(
      new Option(
        '--redis-waiting <n>',
        'with roles: batches of one part that may wait there (default: 20000)',
      ).argParser(count),
    );
}

function count(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** Undefined: evidence is not in Redis. Throws InputError for what cannot be used. */
export function redisOf(options: RedisOptions): ControllerConfigInput['redis'] {
  const { redis: url, redisCa: ca, redisUser: user, redisPasswordFile: passwordFile, redisName: name } = options;
  const { redisShards: shards, redisWaiting: waiting } = options;
  if (url === undefined) {
    if ((ca ?? user ?? passwordFile ?? name ?? shards ?? waiting) === undefined) return undefined;
    throw new InputError([problem('ArgumentInvalid', 'what is said of Redis needs its address: --redis URL')]);
  }
  const address = redisAddress(url);
  if ('code' in address) throw new InputError([address]);
  if (ca !== undefined && !address.tls) {
    throw new InputError([problem('ArgumentInvalid', '--redis-ca goes with rediss:// (TLS)')]);
  }
  const given = {
    url,
    ca,
    user,
    passwordFile,
    password: process.env['NANOSEG_REDIS_PASSWORD'],
    sentinelPassword: process.env['NANOSEG_REDIS_SENTINEL_PASSWORD'],
    name,
    retentionMs: options.redisRetention,
    shards,
    waiting,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as typeof given & {
    readonly url: string;
  };
}
