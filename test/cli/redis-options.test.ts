import test from 'ava';
import { Command } from 'commander';
import { addRedisOptions, redisOf, type RedisOptions } from '../../cli/redis-options.ts';
import { InputError } from '../../cli/terminal.ts';

function redis(...args: readonly string[]) {
  const command = addRedisOptions(new Command());
  command.parse([...args], { from: 'user' });
  return redisOf(command.opts<RedisOptions>());
}

test('a command line says where evidence is kept, as whom, and for how long', (t) => {
  t.is(redis(), undefined);
  const url = 'rediss://kept:7000';
  t.deepEqual(redis('--redis', url, '--redis-ca', 'ca.crt', '--redis-user', 'nanoseg', '--redis-retention', '30d'), {
    url,
    ca: 'ca.crt',
    user: 'nanoseg',
    retentionMs: 30 * 86_400_000,
  });
  t.like(redis('--redis', url, '--redis-password-file', 'password', '--redis-name', 'a'), {
    passwordFile: 'password',
    name: 'a',
    retentionMs: 400 * 86_400_000,
  });
});

test('what is said of Redis without its address, a password in it, and an authority without TLS are refused', (t) => {
  for (const args of [
    ['--redis-name', 'a'],
    ['--redis', 'redis://:topsecret@kept'],
    ['--redis', 'redis://kept', '--redis-ca', 'ca.crt'],
  ]) {
    t.throws(() => redis(...args), { instanceOf: InputError }, args.join(' '));
  }
});
