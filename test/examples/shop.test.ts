import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { openFlowFile } from '../../controller/adapters/flow-file/open-flow-file.ts';
import { readCluster } from '../../controller/adapters/workspace/read-cluster.ts';
import { readProfile } from '../../controller/adapters/workspace/read-profile.ts';
import { cidrSetOf, hasAddress, parseIp } from '../../controller/model/cidr.ts';
import type { Pod } from '../../controller/model/cluster.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { protocolNumber } from '../../controller/model/protocol.ts';

const shop = fileURLToPath(new URL('../../examples/shop', import.meta.url));
const { cluster, problems } = await readCluster([join(shop, 'cluster')]);
const flowFiles = readdirSync(join(shop, 'flows')).sort();

/** The lines of what one node's kernel reported. */
function recorded(node: string): readonly string[] {
  const name = flowFiles.find((file) => file.startsWith(`${node}.conntrack.txt`));
  if (name === undefined) throw new Error(`no recording of ${node}`);
  const bytes = readFileSync(join(shop, 'flows', name));
  const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
}

const lines = { 'node-a': recorded('node-a'), 'node-b': recorded('node-b') };
const allLines = [...lines['node-a'], ...lines['node-b']];

async function readFlows(): Promise<{ flows: readonly Flow[]; rejected: number; losses: number }> {
  const flows: Flow[] = [];
  let rejected = 0;
  let losses = 0;
  for (const file of flowFiles) {
    for await (const batch of openFlowFile(join(shop, 'flows', file)).batches(new AbortController().signal)) {
      flows.push(...batch.flows);
      rejected += batch.rejected.length;
      losses += batch.losses.length;
    }
  }
  return { flows, rejected, losses };
}

const { flows, rejected, losses } = await readFlows();

const ownRanges = [
  '10.42.0.0/16',
  '10.96.0.0/16',
  '172.18.0.0/24',
  'fd00:10:42::/48',
  'fd00:10:96::/112',
  'fd00:172:18::/64',
];
const documentationRanges = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32'];

const originalTuple = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/;
const tuple = (line: string) => originalTuple.exec(line)?.[0] ?? '';
const isNew = (line: string) => line.includes('[NEW]');
/** Original destination and the source of the reply. */
const destinations = (line: string) => [/dst=(\S+)/.exec(line)?.[1], [...line.matchAll(/src=(\S+)/g)][1]?.[1]];

/** Everyone who had the address at that moment; nodes only where no pod had it. */
function ownersOf(ip: string, timeMs: number): readonly Pod[] {
  return cluster.pods.filter(
    ({ ips, hostNetwork, startMs = 0, endMs = Infinity }) =>
      !hostNetwork && ips.includes(ip) && startMs <= timeMs && timeMs < endMs,
  );
}

function workloadsBetween(client: string, server: string): readonly Flow[] {
  const is = (ip: string | undefined, timeMs: number, workload: string) =>
    ownersOf(ip ?? '', timeMs).some((pod) => pod.workload === workload);
  return flows.filter((flow) => is(flow.client.ip, flow.timeMs, client) && is(flow.server.ip, flow.timeMs, server));
}

test('the manifests and the inventory of the run are read without a problem', (t) => {
  t.deepEqual(problems, []);
});

test('the shop has at least 14 workloads in 4 namespaces, of all the kinds that behave differently', (t) => {
  const workloads = [...cluster.workloads.values()];
  t.true(workloads.length >= 14, `${workloads.length} workloads`);
  t.true(new Set(workloads.map(({ namespace }) => namespace)).size >= 4);
  for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob']) {
    t.true(
      workloads.some((workload) => workload.kind === kind),
      kind,
    );
  }
});

test('every workload but the CronJob that did not run has pods of the same run', (t) => {
  const withPods = new Set(cluster.pods.filter((pod) => !pod.virtual).map(({ workload }) => workload));
  const without = [...cluster.workloads.keys()].filter((key) => !withPods.has(key));
  t.deepEqual(without.map(String), ['reporting/CronJob/nightly-report']);
});

test('every line of the recording can be used, and the kernel lost none', (t) => {
  t.is(rejected, 0);
  t.is(losses, 0);
});

test('the recording has TCP and UDP, IPv4 and IPv6, Services behind translation, and refused connections', (t) => {
  const fresh = allLines.filter(isNew);
  t.true(fresh.some((line) => /\stcp\s+6\s/.test(line)));
  t.true(fresh.some((line) => /\sudp\s+17\s/.test(line)));
  t.true(fresh.some((line) => line.includes('ipv4 ')));
  t.true(fresh.some((line) => line.includes('ipv6 ')));
  t.true(
    fresh.some((line) => {
      const [addressed, answering] = destinations(line);
      return addressed !== answering;
    }),
  );
  t.true(allLines.some((line) => line.includes('[DESTROY]') && / CLOSE .*\[UNREPLIED\]/.test(line)));
});

test('both nodes report the connections between them, and each alone those inside of it', (t) => {
  const connections = {
    a: new Set(lines['node-a'].filter(isNew).map(tuple)),
    b: new Set(lines['node-b'].filter(isNew).map(tuple)),
  };
  t.true(connections.a.intersection(connections.b).size > 100);
  t.true(connections.a.difference(connections.b).size > 100);
  t.true(connections.b.difference(connections.a).size > 100);
});

test('no address is outside of the ranges of the example', (t) => {
  const ranges = cidrSetOf(...ownRanges, ...documentationRanges);
  const texts = [
    ...allLines.flatMap((line) => [...line.matchAll(/(?:src|dst)=(\S+)/g)].map(([, address = '']) => address)),
    ...flows.flatMap(({ client, server }) => [client.ip ?? '', server.ip ?? '']),
    ...cluster.pods.flatMap(({ ips }) => ips),
    ...cluster.nodes.flatMap(({ ips }) => ips),
    ...cluster.services.flatMap(({ ips }) => ips),
  ];
  const outside = [...new Set(texts)].filter((text) => {
    const address = parseIp(text);
    return address === undefined || !hasAddress(ranges, address);
  });
  t.deepEqual(outside, []);
});

test('every address inside of the cluster has exactly one owner at the moment of each flow', (t) => {
  const pods = cidrSetOf('10.42.0.0/16', 'fd00:10:42::/48');
  const doubtful = new Set<string>();
  for (const { timeMs, client, server } of flows) {
    for (const { ip = '' } of [client, server]) {
      const address = parseIp(ip);
      if (address && hasAddress(pods, address) && ownersOf(ip, timeMs).length !== 1) doubtful.add(ip);
    }
  }
  t.deepEqual([...doubtful], []);
});

test('addresses of finished and of rolled out pods went to later pods during the recording', (t) => {
  const reusedAfter = (workload: string) =>
    cluster.pods.some(
      (earlier) =>
        earlier.workload === workload &&
        earlier.endMs !== undefined &&
        cluster.pods.some(
          (later) =>
            later.workload !== workload &&
            (later.startMs ?? 0) >= (earlier.endMs ?? 0) &&
            later.ips.some((ip) => earlier.ips.includes(ip)),
        ),
    );
  t.true(reusedAfter('shop/CronJob/stock-sync'));
  t.true(reusedAfter('shop/Deployment/cart'));
});

test('the storefront reaches the catalog over both address families, at the port behind its Service', (t) => {
  const between = workloadsBetween('shop/Deployment/storefront', 'shop/Deployment/catalog');
  t.true(between.some(({ client }) => client.ip?.includes(':') === true));
  t.true(between.some(({ client }) => client.ip?.includes(':') === false));
  t.deepEqual([...new Set(between.map(({ port }) => port))], [8080]);
  t.true(between.some(({ addressed }) => addressed?.port === 80));
});

test('the replicas of the StatefulSet talk to each other, and ask DNS by TCP where UDP is too short', (t) => {
  t.true(workloadsBetween('data/StatefulSet/orders-db', 'data/StatefulSet/orders-db').length > 0);
  const dns = workloadsBetween('data/StatefulSet/orders-db', 'kube-system/Deployment/coredns');
  t.deepEqual(
    [...new Set(dns.map(({ protocol }) => protocol))].sort((a, b) => a - b),
    [protocolNumber.TCP, protocolNumber.UDP],
  );
});

test('more visitors come through the load balancer than a rule could list, with their own addresses', (t) => {
  const gateways = new Set(
    cluster.pods.filter(({ workload }) => workload === 'edge/Deployment/gateway').flatMap(({ ips }) => ips),
  );
  const outside = cidrSetOf(...documentationRanges);
  const visitors = new Set(
    flows
      .filter(({ server }) => gateways.has(server.ip ?? ''))
      .map(({ client }) => client.ip ?? '')
      .filter((ip) => {
        const address = parseIp(ip);
        return address !== undefined && hasAddress(outside, address);
      }),
  );
  t.true(visitors.size >= 20, `${visitors.size} visitors`);
});

test('the API server is reached through its Service by pods with a service account of their own, and by the scanner', (t) => {
  const [apiServer] = cluster.apiServer.ips;
  const clients = new Set(
    flows
      .filter(({ server, port, addressed }) => server.ip === apiServer && port === 6443 && addressed?.port === 443)
      .flatMap(({ client, timeMs }) => ownersOf(client.ip ?? '', timeMs).map((pod) => String(pod.workload))),
  );
  t.deepEqual(
    [...clients].sort(),
    [
      'edge/Deployment/gateway',
      'kube-system/Deployment/coredns',
      'monitoring/Deployment/metrics-scraper',
      'shop/Deployment/recommendations',
    ].sort(),
  );
});

test('one replica of two scans: many targets, most of them refused', (t) => {
  const refused = flows.filter(
    ({ answered, protocol, client, timeMs }) =>
      answered === false &&
      protocol === protocolNumber.TCP &&
      ownersOf(client.ip ?? '', timeMs).some(({ workload }) => workload === 'shop/Deployment/recommendations'),
  );
  t.is(new Set(refused.map(({ client }) => client.ip)).size, 1);
  t.true(new Set(refused.map(({ server, port }) => `${server.ip} ${port}`)).size >= 30);
});

test('the attempt that the hand-written policy denied is recorded as denied, and nowhere as a connection', (t) => {
  const denied = flows.filter(({ verdict }) => verdict === 'denied');
  t.true(denied.length > 0);
  t.deepEqual(denied, workloadsBetween('reporting/Deployment/report-viewer', 'data/Deployment/cart-cache'));
  t.deepEqual(
    cluster.policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ['data/cart-cache-clients'],
  );
});

test('the silent workload says nothing, and nobody talks to it', (t) => {
  const silent = new Set(
    cluster.pods.filter(({ workload }) => workload === 'shop/Deployment/promo-banner').flatMap(({ ips }) => ips),
  );
  t.true(silent.size > 0);
  t.is(flows.filter(({ client, server }) => silent.has(client.ip ?? '') || silent.has(server.ip ?? '')).length, 0);
});

test('the profile of the example is valid', async (t) => {
  const reading = await readProfile(join(shop, 'profiles', 'default.yaml'));
  t.deepEqual(reading.problems, []);
});
