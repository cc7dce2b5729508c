import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { run } from '../../cli/program.ts';
import type { Terminal } from '../../cli/terminal.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function nanoseg(...args: readonly string[]): Promise<Outcome> {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    interactive: false,
    columns: 120,
    exit: () => {},
  };
  const code = await run(args, terminal, '0.0.0');
  return { code, out, err };
}

/** A directory with one manifest file of these objects. */
async function directory(t: ExecutionContext, ...objects: readonly unknown[]): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'nanoseg-'));
  t.teardown(() => rm(path, { recursive: true }));
  await mkdir(join(path, 'manifests'));
  const text = objects.map((object) => JSON.stringify(object)).join('\n---\n');
  await writeFile(join(path, 'manifests', 'all.yaml'), text);
  return path;
}

function workload(kind: string, namespace: string, name: string, ports: readonly object[] = []): unknown {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'main', ports }] } },
    },
  };
}

function policy(name: string, app: string, spec: object): unknown {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name },
    spec: { podSelector: { matchLabels: { app } }, ...spec },
  };
}

function pod(name: string, app: string, ip: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name,
      labels: { app, 'pod-template-hash': 'abc' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-abc`, controller: true, uid: '1' }],
    },
    spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'main' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}

const cart = workload('Deployment', 'shop', 'cart');
const redis = workload('StatefulSet', 'shop', 'redis');
const fromCart = { from: [{ podSelector: { matchLabels: { app: 'cart' } } }], ports: [{ port: 6379 }] };
const closed = { policyTypes: ['Ingress', 'Egress'] };
const redisOnlyFromCart = policy('redis', 'redis', { ...closed, ingress: [fromCart] });
const cartOnlyToRedis = policy('cart', 'cart', {
  ...closed,
  egress: [{ to: [{ podSelector: { matchLabels: { app: 'redis' } } }] }],
});

const S = { namespace: 'shop', kind: 'Deployment', name: 'cart' };
const D = { namespace: 'shop', kind: 'StatefulSet', name: 'redis' };
const all = [[1, 65535]];
const everything = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ protocol, ports: all }));

test('connectivity as JSON lists the pairs that may talk, and leaves out the others', async (t) => {
  const dir = await directory(t, cart, redis, redisOnlyFromCart, cartOnlyToRedis);
  const { code, out, err } = await nanoseg('connectivity', dir, '-o', 'json');
  t.is(code, 0);
  t.deepEqual(JSON.parse(out), [{ source: S, destination: D, allowed: [{ protocol: 'TCP', ports: [[6379, 6379]] }] }]);
  t.is(err, '');
});

test('connectivity without any policy allows all three protocols between all, and with all of the outside', async (t) => {
  const { out } = await nanoseg('connectivity', await directory(t, cart, redis), '-o', 'json');
  const world = { cidrs: ['0.0.0.0/0', '::/0'] };
  const pairs = [
    [world, S],
    [world, D],
    [S, world],
    [S, S],
    [S, D],
    [D, world],
    [D, S],
    [D, D],
  ];
  t.deepEqual(
    JSON.parse(out),
    pairs.map(([source, destination]) => ({ source, destination, allowed: everything })),
  );
});

test('connectivity names the external addresses that policies tell apart', async (t) => {
  const block = { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } };
  const dir = await directory(
    t,
    cart,
    policy('cart', 'cart', { ...closed, egress: [{ to: [block], ports: [{ port: 443 }] }] }),
  );
  const { out } = await nanoseg('connectivity', dir, '-o', 'json', '--cni', 'cilium');
  t.deepEqual(JSON.parse(out), [
    { source: S, destination: { cidrs: ['203.0.113.0/25'] }, allowed: [{ protocol: 'TCP', ports: [[443, 443]] }] },
  ]);
});

test('connectivity puts a part that hangs on the CNI into unknown, and counts pairs of which all is unknown', async (t) => {
  const named = policy('cart', 'cart', {
    ...closed,
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 'http' }, { port: 81 }] }],
  });
  const only = policy('redis', 'redis', {
    ...closed,
    egress: [{}],
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 'redis' }] }],
  });
  const dir = await directory(
    t,
    workload('Deployment', 'shop', 'cart', [{ name: 'http', containerPort: 8080 }]),
    workload('StatefulSet', 'shop', 'redis', [{ name: 'redis', containerPort: 6379 }]),
    named,
    only,
  );
  const generic = await nanoseg('connectivity', dir, '-o', 'json');
  const pairs = (JSON.parse(generic.out) as { source: object; destination: object }[]).filter(
    ({ source, destination }) => !('cidrs' in source) && !('cidrs' in destination),
  );
  t.deepEqual(pairs, [
    {
      source: D,
      destination: S,
      allowed: [{ protocol: 'TCP', ports: [[81, 81]] }],
      unknown: [{ protocol: 'TCP', ports: [[8080, 8080]] }],
    } as object as (typeof pairs)[number],
  ]);
  t.regex(generic.err, /^1 pairs? .*--cni/s);
  const calico = await nanoseg('connectivity', dir, '-o', 'json', '--cni', 'calico');
  t.is(calico.err, '');
  t.true(calico.out.includes('[[81,81],[8080,8080]]'));
  const { out } = await nanoseg('connectivity', dir);
  t.regex(out, /^shop\/StatefulSet\/redis +shop\/StatefulSet\/redis +- +TCP 6379$/m);
});

test('connectivity as a table and as a Graphviz graph says the same', async (t) => {
  const dir = await directory(t, cart, redis, redisOnlyFromCart, cartOnlyToRedis);
  t.is(
    (await nanoseg('connectivity', dir)).out,
    'SOURCE                DESTINATION             ALLOWED   UNKNOWN\n' +
      'shop/Deployment/cart  shop/StatefulSet/redis  TCP 6379\n',
  );
  const { out } = await nanoseg('connectivity', dir, '-o', 'dot');
  t.true(out.startsWith('digraph '));
  t.true(out.includes('"shop/Deployment/cart" -> "shop/StatefulSet/redis" [label="TCP 6379"];'));
});

test('in the profile cilium an ipBlock never matches pods, in kube-router it does, and without one it is unknown', async (t) => {
  const pods = policy('redis', 'redis', { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] });
  const dir = await directory(t, cart, redis, pod('cart-1', 'cart', '10.1.2.3'), pods);
  const verdict = async (...more: string[]) => {
    const { code, out } = await nanoseg('explain', dir, 'shop/cart', 'shop/redis', '6379', '-o', 'json', ...more);
    t.is(code, 0);
    return (JSON.parse(out) as { verdict: string }).verdict;
  };
  t.is(await verdict('--cni', 'cilium'), 'denied');
  t.is(await verdict('--cni', 'kube-router'), 'allowed');
  t.is(await verdict(), 'unknown');
});

test('explain says in a sentence which policy and rule decides', async (t) => {
  const web = workload('Deployment', 'shop', 'web');
  const dir = await directory(t, cart, redis, web, redisOnlyFromCart);
  const denied = await nanoseg('explain', dir, 'shop/web', 'shop/redis', '6379');
  t.is(denied.code, 0);
  t.is(
    denied.out,
    'denied: shop/redis accepts TCP 6379 only from shop/cart (policy redis, rule 1)\n  no policy isolates shop/web for egress\n',
  );
  const allowed = await nanoseg('explain', dir, 'shop/cart', 'shop/redis', '6379/tcp', '-o', 'json');
  t.like(JSON.parse(allowed.out), { verdict: 'allowed', reasons: [{ kind: 'rule', policy: 'shop/redis', rule: 1 }] });
  const udp = await nanoseg('explain', dir, 'shop/cart', 'shop/redis', '6379/UDP');
  t.true(udp.out.startsWith('denied: shop/redis accepts no UDP 6379'));
});

test('explain takes kinds in any case, plural or short, and the address of a pod', async (t) => {
  const dir = await directory(
    t,
    cart,
    redis,
    workload('Deployment', 'shop', 'redis'),
    pod('cart-1', 'cart', '10.1.2.3'),
    redisOnlyFromCart,
  );
  for (const kind of ['StatefulSet', 'statefulsets', 'sts']) {
    const { code, out } = await nanoseg('explain', dir, '10.1.2.3', `shop/${kind}/redis`, '6379');
    t.is(code, 0);
    t.regex(out, /^allowed: shop\/StatefulSet\/redis accepts TCP 6379 from shop\/cart \(10\.1\.2\.3\) /);
  }
  const outside = await nanoseg('explain', dir, '203.0.113.9', 'shop/sts/redis', '6379');
  t.regex(outside.out, /^denied: /);
});

test('explain of an address is about that pod or node alone, explain of a workload about all of its pods', async (t) => {
  const dir = await directory(
    t,
    cart,
    redis,
    pod('cart-1', 'cart', '10.1.2.3'),
    pod('cart-2', 'cart', '10.1.3.4'),
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n2' },
      spec: { podCIDR: '10.1.3.0/24' },
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.9' }] },
    },
    policy('redis', 'redis', {
      ...closed,
      ingress: [{ from: [{ ipBlock: { cidr: '10.1.2.0/24' } }, { ipBlock: { cidr: '192.0.2.9/32' } }] }],
    }),
  );
  const verdict = async (source: string) => {
    const { out } = await nanoseg('explain', dir, source, 'shop/redis', '6379', '-o', 'json', '--cni', 'calico');
    return JSON.parse(out).verdict;
  };
  t.is(await verdict('10.1.2.3'), 'allowed');
  t.is(await verdict('10.1.3.4'), 'denied');
  t.is(await verdict('shop/cart'), 'unknown');
  t.is(await verdict('192.0.2.9'), 'allowed');
});

test('a pod reaches its own address whatever the policies say', async (t) => {
  const dir = await directory(t, cart, pod('cart-1', 'cart', '10.1.2.3'), policy('cart', 'cart', closed));
  const own = await nanoseg('explain', dir, '10.1.2.3', '10.1.2.3', '80');
  t.is(own.out, 'allowed: shop/cart (10.1.2.3) reaches itself whatever the policies say\n');
  const other = await nanoseg('explain', dir, 'shop/cart', 'shop/cart', '80');
  t.regex(other.out, /^denied: /);
});

test('explain refuses a range of addresses', async (t) => {
  const { code, err } = await nanoseg('explain', await directory(t, cart), 'shop/cart', '10.0.0.0/8', '80');
  t.is(code, 2);
  t.regex(err, /10\.0\.0\.0\/8 is a range/);
});

test('explain refuses what it cannot resolve, all of it at once, with near matches', async (t) => {
  const dir = await directory(t, cart, redis, workload('Deployment', 'shop', 'redis'));
  const { code, out, err } = await nanoseg('explain', dir, 'shop/crat', 'shop/redis', '70000');
  t.is(code, 2);
  t.is(out, '');
  t.regex(err, /no workload shop\/crat; did you mean shop\/Deployment\/cart\?/);
  t.regex(err, /shop\/redis may be any of shop\/Deployment\/redis, shop\/StatefulSet\/redis/);
  t.regex(err, /"70000" is no port: expected 1 to 65535/);
  t.is((await nanoseg('explain', dir, 'cart', 'shop/sts/redis', '53/ICMP')).code, 2);
});

test('explain sends a question about a Service address to the workload behind it', async (t) => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'redis' },
    spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], selector: { app: 'redis' }, ports: [{ port: 6379 }] },
  };
  const { code, err } = await nanoseg(
    'explain',
    await directory(t, cart, redis, service),
    'shop/cart',
    '10.96.0.7',
    '6379',
  );
  t.is(code, 2);
  t.regex(err, /10\.96\.0\.7 is the address of the Service shop\/redis/);
});

test('diff of two spellings of the same connectivity is empty and ends with 0', async (t) => {
  const spelled = policy('other-name', 'redis', {
    policyTypes: ['Egress', 'Ingress'],
    ingress: [
      {
        from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['cart'] }] } }],
        ports: [{ port: 6379, endPort: 6379 }],
      },
    ],
  });
  const [one, other] = [await directory(t, cart, redis, redisOnlyFromCart), await directory(t, cart, redis, spelled)];
  t.deepEqual(await nanoseg('diff', one, other), { code: 0, out: 'no difference in connectivity\n', err: '' });
  t.is((await nanoseg('diff', one, other, '-o', 'json')).out, '[]\n');
});

test('diff lists what is gained and lost by pair, and ends with 1', async (t) => {
  const wider = policy('redis', 'redis', { ...closed, ingress: [{ ...fromCart, ports: [{ port: 6380 }] }] });
  const before = await directory(t, cart, redis, redisOnlyFromCart, cartOnlyToRedis);
  const after = await directory(t, cart, redis, wider, cartOnlyToRedis);
  const json = await nanoseg('diff', before, after, '-o', 'json');
  t.is(json.code, 1);
  t.deepEqual(JSON.parse(json.out), [
    {
      source: S,
      destination: D,
      gained: [{ protocol: 'TCP', ports: [[6380, 6380]] }],
      lost: [{ protocol: 'TCP', ports: [[6379, 6379]] }],
    },
  ]);
  t.is(
    (await nanoseg('diff', before, after)).out,
    'SOURCE                DESTINATION             GAINED    LOST      UNCERTAIN\n' +
      'shop/Deployment/cart  shop/StatefulSet/redis  TCP 6380  TCP 6379\n',
  );
});

test('diff compares external addresses on the borders of both sides', async (t) => {
  const to = (cidr: string) =>
    policy('cart', 'cart', { ...closed, egress: [{ to: [{ ipBlock: { cidr } }], ports: [{ port: 443 }] }] });
  const before = await directory(t, cart, to('203.0.113.0/24'));
  const after = await directory(t, cart, to('203.0.113.0/25'));
  const { out } = await nanoseg('diff', before, after, '-o', 'json', '--cni', 'cilium');
  t.deepEqual(JSON.parse(out), [
    {
      source: S,
      destination: { cidrs: ['203.0.113.128/25'] },
      gained: [],
      lost: [{ protocol: 'TCP', ports: [[443, 443]] }],
    },
  ]);
});

test('a directory that does not exist and a policy that the API would refuse end with 2 and say why', async (t) => {
  const missing = await nanoseg('connectivity', join(tmpdir(), 'nanoseg-nowhere'));
  t.is(missing.code, 2);
  t.regex(missing.err, /nanoseg-nowhere/);
  for (const ports of [[{ port: 90, endPort: 80 }], [{ port: 'http', endPort: 80 }]]) {
    const wrong = await nanoseg(
      'connectivity',
      await directory(t, cart, policy('p', 'cart', { ingress: [{ ports }] })),
    );
    t.is(wrong.code, 2);
    t.regex(wrong.err, /endPort/);
  }
  const hole = { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } };
  const same = await nanoseg(
    'connectivity',
    await directory(t, cart, policy('p', 'cart', { ingress: [{ from: [hole] }] })),
  );
  t.is(same.code, 2);
  t.regex(same.err, /except/);
});

test('an unknown CNI is refused with the list of those that are known', async (t) => {
  const { code, err } = await nanoseg('connectivity', await directory(t, cart), '--cni', 'flannel');
  t.is(code, 2);
  t.regex(err, /kube-router/);
});

test('the help of each command teaches with an example', async (t) => {
  for (const command of ['connectivity', 'explain', 'diff']) {
    const { code, out } = await nanoseg(command, '--help');
    t.is(code, 0);
    t.regex(out, new RegExp(`\\$ nanoseg ${command} `));
  }
});

test('policies of other APIs are not judged, and that is said on standard error', async (t) => {
  const calico = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'deny' },
    spec: { selector: 'all()' },
  };
  const dir = await directory(t, cart, redis, redisOnlyFromCart, calico);
  for (const args of [
    ['connectivity', dir, '-o', 'json'],
    ['explain', dir, 'shop/cart', 'shop/redis', '6379', '-o', 'json'],
    ['diff', dir, dir, '-o', 'json'],
  ]) {
    const { code, out, err } = await nanoseg(...args);
    t.is(code, 0);
    t.notThrows(() => JSON.parse(out));
    t.regex(err, /only NetworkPolicies .* are judged; not judged: 1 NetworkPolicy \(projectcalico\.org\)/);
  }
});
