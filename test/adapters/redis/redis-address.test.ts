import test from 'ava';
import { redisAddress } from '../../../controller/adapters/redis/redis-address.ts';
import { storeName } from '../../../controller/adapters/redis/store-name.ts';

const local = { host: '127.0.0.1', port: 6379 };

test('a URL says which kind of server it is, where, and nothing of it is a secret', (t) => {
  const base = { kind: 'standalone', tls: false, master: '', db: 0, user: undefined };
  t.deepEqual(redisAddress('redis://127.0.0.1'), { ...base, hosts: [local], name: 'redis://127.0.0.1' });
  t.like(redisAddress('rediss://us%40er@[::1]:7000/3'), {
    tls: true,
    hosts: [{ host: '::1', port: 7000 }],
    db: 3,
    user: 'us@er',
    name: 'rediss://[::1]:7000/3',
  });
  t.like(redisAddress('redis+sentinel://a,b:1/kept/2'), {
    kind: 'sentinel',
    hosts: [
      { host: 'a', port: 26_379 },
      { host: 'b', port: 1 },
    ],
    master: 'kept',
    db: 2,
  });
  t.like(redisAddress('rediss+cluster://a,b'), { kind: 'cluster', tls: true, name: 'rediss+cluster://a,b' });
});

test('a URL that cannot be used is refused, and its password not repeated', (t) => {
  for (const url of [
    'http://a',
    'redis://',
    'redis://:topsecret@a',
    'redis://user:topsecret@a',
    'redis://a,b',
    'redis://a:0',
    'redis://a:70000',
    'redis://a/x',
    'redis://a/1/2',
    'redis+sentinel://a',
    'redis+cluster://a/1',
    'redis://a?x=1',
  ]) {
    const found = redisAddress(url);
    t.like(found, { code: 'ArgumentInvalid' }, url);
    t.notRegex(JSON.stringify(found), /topsecret/);
  }
});

test('evidence has the same name after a restart, and another one for each controller that observes', (t) => {
  const inCluster = (hostname: string) => storeName({ hostname, namespace: 'nanoseg-system', workspace: undefined });
  t.is(inCluster('nanoseg-controller-0'), 'nanoseg-system/nanoseg-controller-0');
  t.is(inCluster('nanoseg-controller-7c9d8f6b5-x2kqz'), 'nanoseg-system/nanoseg-controller');
  const [one, other] = ['/a', '/b'].map((workspace) => storeName({ hostname: 'laptop', namespace: '', workspace }));
  t.not(one, other);
  t.regex(one ?? '', /^workspace\/laptop\/[0-9a-f]{12}$/);
});
