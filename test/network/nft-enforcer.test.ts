import type { ExecutionContext } from 'ava';
import type { Probe } from '../support/network-host.ts';
import { networkNodeOfFile, networkTest } from '../support/network-test.ts';
import { type EnforcedCluster, type EnforcedPod, enforcementRules } from '../support/nft-enforcer.ts';

/** Hand-written policies and what they mean by the API's documentation, tried with real packets. */
type Spec = EnforcedCluster['policies'][number]['spec'];

const pods = [
  pod('shop', 'web', 11, { http: 8080 }),
  pod('shop', 'cart', 12, { http: 9090 }),
  pod('shop', 'job', 13, {}),
  pod('data', 'db', 14, { http: 8080 }),
];
const node = { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' };
const outside = [
  { name: 'far', ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' },
  { name: 'farther', ipv4: '203.0.113.20', ipv6: '2001:db8:113::20' },
];
const network = networkNodeOfFile({
  node,
  pods: pods.map(({ metadata: { name }, status }) => ({
    name,
    ipv4: status.podIPs?.[0]?.ip ?? '',
    ipv6: status.podIPs?.[1]?.ip ?? '',
  })),
  outside,
  services: [
    { address: '10.96.0.50', protocol: 'TCP', port: 80, backends: ['10.244.1.11'], targetPort: 8080 },
    { address: '10.96.0.60', protocol: 'TCP', port: 80, backends: ['10.244.1.12'], targetPort: 9090 },
  ],
});
const namespaces = [
  { metadata: { name: 'shop', labels: { team: 'a' } } },
  { metadata: { name: 'data', labels: { team: 'b', tier: 'back' } } },
];

function pod(namespace: string, app: string, host: number, ports: Readonly<Record<string, number>>): EnforcedPod {
  return {
    metadata: { namespace, name: app, labels: { app } },
    spec: {
      containers: [{ ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })) }],
    },
    status: { phase: 'Running', podIPs: [{ ip: `10.244.1.${host}` }, { ip: `fd00:10:244:1::${host}` }] },
  };
}

async function enforce(...specs: readonly (Spec & { readonly in?: string })[]): Promise<void> {
  const policies = specs.map(({ in: namespace = 'shop', ...spec }, i) => ({
    metadata: { namespace, name: `policy-${i}` },
    spec,
  }));
  await network().nft(enforcementRules({ namespaces, pods, policies }));
}

/** `web > cart TCP/9090`, `far > web UDP/53 6` (by IPv6), `web > 10.96.0.60 TCP/80`. */
async function passes(text: string): Promise<boolean> {
  const [client = '', , server = '', what = '', family = '4'] = text.split(' ');
  const [protocol = '', port = ''] = what.split('/');
  const addressOf = (name: string) => {
    const plan = [node, ...network().plan.pods, ...outside].find((host) => host.name === name);
    return plan === undefined ? name : family === '6' ? plan.ipv6 : plan.ipv4;
  };
  const probe = { protocol: protocol as Probe['protocol'], address: addressOf(server), port: Number(port) };
  const from = client.startsWith('far') ? { from: addressOf(client) } : {};
  const [result] = await network()
    .host(client)
    .probe([{ ...probe, ...from }]);
  if (result === undefined || result.outcome === 'silent') throw new Error(`${text}: ${result?.detail}`);
  return result.outcome !== 'blocked';
}

async function expect(t: ExecutionContext, open: readonly string[], closed: readonly string[]): Promise<void> {
  const found = await Promise.all([...open, ...closed].map(async (text) => [text, await passes(text)]));
  const wanted = [...open.map((text) => [text, true]), ...closed.map((text) => [text, false])];
  t.deepEqual(found, wanted);
}

const everyone = ['web > cart TCP/9090', 'db > cart UDP/53 6', 'far > web TCP/8080', 'farther > db TCP/1 6'];
const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });

networkTest('without a policy everything reaches everything', async (t) => {
  await enforce();
  await expect(
    t,
    [...everyone, 'node > web TCP/8080', 'web > node TCP/22', 'web > far TCP/443', 'web > web TCP/1'],
    [],
  );
});

networkTest(
  'a pod that a policy selects is isolated in the directions of that policy, and no other pod is',
  async (t) => {
    await enforce({ ...app('web'), policyTypes: ['Ingress'] });
    const ingress = ['cart > web TCP/8080', 'far > web TCP/8080 6', 'db > web UDP/53', 'cart > 10.96.0.50 TCP/80'];
    const egress = ['web > cart TCP/9090', 'web > far TCP/443', 'web > node TCP/22 6', 'web > db UDP/53 6'];
    const others = ['cart > db TCP/1', 'far > cart TCP/1', 'db > node TCP/1'];
    await expect(t, [...egress, ...others], ingress);
    await enforce({ ...app('web'), policyTypes: ['Egress'] });
    await expect(t, [...ingress, ...others], egress);
    await enforce({ ...app('web'), policyTypes: ['Ingress', 'Egress'] });
    await expect(t, others, [...ingress, ...egress]);
  },
);

networkTest('types that are not written follow from the rules', async (t) => {
  await enforce({ ...app('web') }, { ...app('cart'), egress: [] });
  await expect(t, ['web > db TCP/1', 'cart > db TCP/1'], ['db > web TCP/1', 'db > cart TCP/1']);
  await enforce({ ...app('web'), egress: [{ to: [{ namespaceSelector: {} }] }] });
  await expect(t, ['web > db TCP/1'], ['db > web TCP/1', 'web > far TCP/1']);
});

networkTest('an empty rule opens everything, an empty list of rules nothing', async (t) => {
  await enforce({ podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] });
  await expect(t, everyone, []);
  await enforce({ podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [], ports: [] }] });
  await expect(t, everyone, []);
  await enforce({ podSelector: {}, policyTypes: ['Ingress'], ingress: [] });
  await expect(t, ['farther > db TCP/1 6'], everyone.slice(0, 3));
});

networkTest(
  'a pod selector means the own namespace, a namespace selector all pods of those, both in one peer those pods',
  async (t) => {
    const policyTypes = ['Ingress'];
    await enforce({ ...app('web'), policyTypes, ingress: [{ from: [{ podSelector: {} }] }] });
    await expect(t, ['cart > web TCP/1', 'job > web UDP/1 6'], ['db > web TCP/1', 'far > web TCP/1']);
    const back = { matchExpressions: [{ key: 'tier', operator: 'Exists' }] };
    await enforce({ ...app('web'), policyTypes, ingress: [{ from: [{ namespaceSelector: back }] }] });
    await expect(t, ['db > web TCP/1'], ['cart > web TCP/1', 'far > web TCP/1']);
    await enforce({ ...app('web'), policyTypes, ingress: [{ from: [{ namespaceSelector: {}, ...app('cart') }] }] });
    await expect(t, ['cart > web TCP/1'], ['db > web TCP/1', 'job > web TCP/1']);
    await enforce({ ...app('web'), policyTypes, ingress: [{ from: [{ namespaceSelector: back }, app('cart')] }] });
    await expect(t, ['cart > web TCP/1', 'db > web TCP/1 6'], ['job > web TCP/1']);
    const not = { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['cart', 'db'] }] };
    await enforce({ ...app('web'), policyTypes, ingress: [{ from: [{ podSelector: not }] }] });
    await expect(t, ['job > web TCP/1'], ['cart > web TCP/1', 'db > web TCP/1']);
  },
);

networkTest('both sides have to allow it, and every policy adds', async (t) => {
  const toWeb = { ...app('cart'), policyTypes: ['Egress'], egress: [{ to: [app('web')] }] };
  const closed = { ...app('web'), policyTypes: ['Ingress'] };
  await enforce(toWeb, closed);
  await expect(t, [], ['cart > web TCP/1', 'cart > db TCP/1']);
  await enforce(toWeb, closed, { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [app('cart')] }] });
  await expect(t, ['cart > web TCP/1'], ['cart > db TCP/1', 'job > web TCP/1']);
});

networkTest('a port is one of its protocol, a range, or whatever the server calls by that name', async (t) => {
  const from = [{ namespaceSelector: {} }];
  const policyTypes = ['Ingress'];
  await enforce({ ...app('web'), policyTypes, ingress: [{ from, ports: [{ port: 8080 }, { protocol: 'UDP' }] }] });
  await expect(t, ['cart > web TCP/8080 6', 'cart > web UDP/9'], ['cart > web TCP/8081', 'far > web TCP/8080']);
  await enforce({ ...app('web'), policyTypes, ingress: [{ ports: [{ port: 90, endPort: 92 }] }] });
  await expect(t, ['far > web TCP/90', 'db > web TCP/92'], ['db > web TCP/93', 'db > web TCP/89', 'db > web UDP/91']);
  await enforce({ podSelector: {}, policyTypes, ingress: [{ ports: [{ port: 'http' }] }] });
  await expect(
    t,
    ['db > web TCP/8080', 'db > cart TCP/9090'],
    ['db > web TCP/9090', 'db > cart TCP/8080', 'db > job TCP/8080'],
  );
  await enforce({ ...app('job'), policyTypes: ['Egress'], egress: [{ to: from, ports: [{ port: 'http' }] }] });
  await expect(
    t,
    ['job > web TCP/8080', 'job > cart TCP/9090 6', 'job > db TCP/8080'],
    ['job > web TCP/9090', 'job > cart TCP/8080', 'job > web UDP/8080', 'job > far TCP/8080'],
  );
});

networkTest('an ipBlock is its addresses of its family but for the exceptions', async (t) => {
  const blocks = [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.16/28'] } }];
  await enforce({
    ...app('web'),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: blocks }],
    egress: [{ to: blocks }],
  });
  await expect(
    t,
    ['far > web TCP/1', 'web > far TCP/443'],
    ['farther > web TCP/1', 'web > farther TCP/443', 'far > web TCP/1 6', 'web > far TCP/443 6', 'web > cart TCP/1'],
  );
});

networkTest('traffic to a Service is judged by the backend that gets it, and its own port', async (t) => {
  await enforce({ ...app('web'), policyTypes: ['Egress'], egress: [{ to: [app('cart')], ports: [{ port: 9090 }] }] });
  await expect(t, ['web > 10.96.0.60 TCP/80', 'web > cart TCP/9090', 'web > 10.96.0.50 TCP/80'], ['web > cart TCP/80']);
  await enforce({ ...app('web'), policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr: '10.96.0.0/16' } }] }] });
  await expect(t, [], ['web > 10.96.0.60 TCP/80']);
});

networkTest('the own node reaches its pods, which do not reach it without a rule', async (t) => {
  await enforce({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  await expect(t, ['node > web TCP/8080', 'node > web UDP/53 6', 'node > 10.96.0.50 TCP/80'], ['web > node TCP/22']);
});

networkTest('what is open stays open when a policy comes, and nothing like it can be opened', async (t) => {
  await enforce();
  await network().host('cart').listen([7000], []);
  await network().host('web').hold('old', '10.244.1.12', 7000);
  t.is(await network().host('web').say('old'), 'alive');
  await enforce({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  t.is(await network().host('web').say('old'), 'alive');
  await expect(t, [], ['web > cart TCP/7000']);
  await enforce();
  await expect(t, ['web > cart TCP/7000'], []);
});

networkTest('pods that ended and pods on the host network are selected by nothing', async (t) => {
  const policies = [
    { metadata: { namespace: 'shop', name: 'all' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } },
  ];
  const changed = pods.map((one) => {
    if (one.metadata.name === 'web') return { ...one, status: { ...one.status, phase: 'Succeeded' } };
    return one.metadata.name === 'cart' ? { ...one, spec: { ...one.spec, hostNetwork: true } } : one;
  });
  await network().nft(enforcementRules({ namespaces, pods: changed, policies }));
  await expect(t, ['db > web TCP/1', 'db > cart TCP/1'], ['db > job TCP/1']);
});
