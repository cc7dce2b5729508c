import test from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { listedItems } from '../../controller/model/policy-proposal.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { FlowJudge } from '../../controller/reconcile/flow-judge.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { peer } from '../support/sightings.ts';
import {
  answered,
  appliedMs,
  cartPolicy,
  denied,
  end,
  findings,
  flow,
  idOf,
  idsOf,
  judgeOf,
  pods,
  policy,
  port,
  shadow,
  shop,
  watched,
  worldOf,
} from './judged-shop.ts';

test('a proposal in shadow tells what passes now and would not', (t) => {
  const found = findings(
    judgeOf(shadow),
    flow('web > cart 8080', { connections: 3 }),
    flow('web > cart 9090', { connections: 2 }),
    flow('cart > 203.0.113.7 443'),
    flow('cart > 203.0.113.7 443', { timeMs: appliedMs + 90_000 }),
  );
  t.is(found.judged, 7);
  t.is(found.wouldDeny.count, 2);
  t.is(found.wouldDeny.times, 4);
  t.deepEqual(found.wouldDeny.samples, [
    {
      connection: idOf('cart > 203.0.113.7 443'),
      message: 'egress 203.0.113.7 TCP 443: no rule allows it',
      times: 2,
      firstSeenMs: appliedMs + 60_000,
      lastSeenMs: appliedMs + 90_000,
    },
    {
      connection: idOf('web > cart 9090'),
      message: 'ingress shop/Deployment/web TCP 9090: no rule allows it',
      times: 2,
      firstSeenMs: appliedMs + 60_000,
      lastSeenMs: appliedMs + 60_000,
    },
  ]);
  t.like(found, { denied: { count: 0 }, passed: { count: 0 }, deniedBaseline: { count: 0 } });
});

test('a shadow judges flows of any time, because a recording is older than its proposal', (t) => {
  t.is(findings(judgeOf(shadow), flow('web > cart 9090', { timeMs: 0 })).wouldDeny.count, 1);
});

test('attempts that fail today say nothing about a proposal', (t) => {
  const failed = flow('web > cart 9090', { verdict: 'none', answered: false });
  t.like(findings(judgeOf(shadow), flow('web > cart 9090', denied), failed), { judged: 0, wouldDeny: { count: 0 } });
});

test('connections of others are not looked at', (t) => {
  t.like(findings(judgeOf(shadow), flow('web > redis 6379'), flow('web > 203.0.113.7 443')), {
    judged: 0,
    notJudged: 0,
  });
});

test('other policies that hold beside the proposal count, those that it replaces and those of other namespaces do not', (t) => {
  const other = policy('by-hand', 'cart', { ingress: [{ from: pods('web'), ports: port(9090) }] });
  const seen = (inForce: readonly NetworkPolicy[]) =>
    findings(judgeOf({ ...shadow, inForce }), flow('web > cart 9090')).wouldDeny.count;
  t.is(seen([other]), 0);
  t.is(seen([{ ...other, metadata: { name: 'nanoseg-cart', namespace: 'shop' } }]), 1);
  t.is(seen([{ ...other, metadata: { name: 'by-hand', namespace: 'bank' } }]), 1);
});

const undecidable: Readonly<Record<string, Sighting>> = {
  'a flow without direction': flow('web > cart 9090', { directed: false }),
  'a flow without port': flow('web > cart 0'),
  ICMP: flow('web > cart 9090', { protocol: 1 }),
  'an unknown side': flow('unknown > cart 9090'),
  'a Service that stands for nobody': flow('cart > dns 53'),
};

for (const [claim, one] of Object.entries(undecidable)) {
  test(`${claim} is counted, and is neither denied nor a deviation`, (t) => {
    t.like(findings(judgeOf(shadow), one), { judged: 0, notJudged: 1, wouldDeny: { count: 0 } });
    for (const parts of [denied, answered]) {
      const found = findings(judgeOf(), { ...one, ...parts });
      t.like(found, { notJudged: 1, denied: { count: 0 }, passed: { count: 0 }, deniedBaseline: { count: 0 } });
    }
  });
}

test('what is denied outside of the baseline is a deviation', (t) => {
  const found = findings(judgeOf(), flow('203.0.113.7 > cart 8080', denied));
  t.is(found.denied.count, 1);
  t.is(
    found.denied.samples[0]?.message,
    '203.0.113.7 to shop/Deployment/cart TCP 8080 is outside of the baseline and was denied',
  );
  t.is(found.passed.count, 0);
});

test('what is tried outside of the baseline and never answered is a deviation too', (t) => {
  const found = findings(judgeOf(), flow('web > cart 22', { verdict: 'allowed', answered: false }));
  t.regex(found.denied.samples[0]?.message ?? '', /was tried and not answered$/);
});

test('what is answered although the policies deny it shows that they are not enforced', (t) => {
  const found = findings(judgeOf(), flow('web > cart 22', answered));
  t.is(
    found.passed.samples[0]?.message,
    'shop/Deployment/web to shop/Deployment/cart TCP 22 passed, although the policies in force deny it',
  );
  t.is(found.denied.count, 0);
  t.regex(
    findings(judgeOf(), flow('web > cart 22', { verdict: 'audited' })).passed.samples[0]?.message ?? '',
    /only audits$/,
  );
});

test('that one end let it out does not say that the other let it in', (t) => {
  t.like(findings(judgeOf(), flow('web > cart 22')), { passed: { count: 0 }, denied: { count: 0 }, notJudged: 1 });
});

test('right after an apply nodes have not acted on it yet', (t) => {
  const at = (ms: number) => flow('web > cart 22', { ...answered, timeMs: appliedMs + ms });
  t.is(findings(judgeOf(), at(4999)).passed.count, 0);
  t.is(findings(judgeOf(), at(5000)).passed.count, 1);
  const patient = new FlowJudge({ graceMs: 60_000 });
  patient.setWorld(worldOf(shop()));
  patient.watch('cart', watched());
  t.is(findings(patient, at(59_999)).passed.count, 0);
});

test('what happened before the apply says nothing about it', (t) => {
  const before = { timeMs: appliedMs - 1 };
  const found = findings(judgeOf(), flow('web > cart 8080', { ...denied, ...before }), flow('x > cart 1', before));
  t.like(found, { judged: 0, notJudged: 0, denied: { count: 0 }, deniedBaseline: { count: 0 } });
});

test('a denied connection of the baseline is found, and one that the policies allow beyond it', (t) => {
  const wider = policy('nanoseg-cart', 'cart', { ingress: [{ from: pods('web') }], egress: [] });
  const found = findings(
    judgeOf({ policies: [wider] }),
    flow('cart > redis 6379', denied),
    flow('web > cart 9090', denied),
  );
  t.deepEqual(found.deniedBaseline.samples.map(({ message }) => message).sort(), [
    'shop/Deployment/cart to shop/Deployment/redis TCP 6379 was denied, although it is in the baseline',
    'shop/Deployment/web to shop/Deployment/cart TCP 9090 was denied, although the policies in force allow it',
  ]);
  t.is(found.denied.count, 0);
});

test('what a wider rule allows is no deviation, although it is not in the baseline', (t) => {
  const wider = policy('nanoseg-cart', 'cart', { ingress: [{ from: pods('web') }], egress: [] });
  t.like(findings(judgeOf({ policies: [wider] }), flow('web > cart 9090', answered)), {
    judged: 1,
    denied: { count: 0 },
    passed: { count: 0 },
  });
});

test('a connection that the policies of the other side deny is not held against these', (t) => {
  const redisPolicy = policy('nanoseg-redis', 'redis', { ingress: [], egress: [] });
  const cluster = shop({ policies: [cartPolicy, redisPolicy] });
  t.is(findings(judgeOf({}, cluster), flow('cart > redis 6379', denied)).deniedBaseline.count, 0);
  t.is(findings(judgeOf(), flow('cart > redis 6379', denied)).deniedBaseline.count, 1);
});

test('a connection of the baseline that was edited away and passes shows that nothing is enforced', (t) => {
  const less = policy('nanoseg-cart', 'cart', { ingress: [], egress: [] });
  t.is(findings(judgeOf({ policies: [less] }), flow('web > cart 8080', answered)).passed.count, 1);
});

test('a node reaches its own pods, and no other, as the network plugin says', (t) => {
  const probe = (node: string | undefined) =>
    flow('node:a > cart 9090', {
      ...answered,
      server: { ...peer(end('cart')), ...(node !== undefined && { node }) },
    });
  t.is(findings(judgeOf(), probe('a')).passed.count, 0);
  t.is(findings(judgeOf(shadow), probe('a')).wouldDeny.count, 0);
  t.is(findings(judgeOf(), probe(undefined)).passed.count, 0);
});

test('a connection between two workloads of one joint proposal is judged by both sides, once', (t) => {
  const joint = { ...shadow, workloads: [keyOf('shop/cart'), keyOf('shop/redis')] };
  const redisPolicy = policy('joint', 'redis', { ingress: [], egress: [] });
  const found = findings(judgeOf({ ...joint, policies: [cartPolicy, redisPolicy] }), flow('cart > redis 6379'));
  t.like(found, { judged: 1, wouldDeny: { count: 1 } });
  t.is(found.wouldDeny.samples[0]?.message, 'ingress shop/Deployment/cart TCP 6379: no rule allows it');
});

test('a shadow and what is in force are judged side by side', (t) => {
  const judge = judgeOf();
  judge.watch(
    'cart in shadow',
    watched({ ...shadow, digest: 'sha256:two', policies: [policy('nanoseg-cart', 'cart', {})] }),
  );
  const found = findings(judge, flow('web > cart 8080', answered));
  t.is(found.passed.count, 0);
  t.is(judge.findings('cart in shadow')?.wouldDeny.count, 1);
});

test('what was found stays while the same policies are watched, and goes with another digest or apply', (t) => {
  const judge = judgeOf();
  findings(judge, flow('web > cart 22', denied));
  judge.watch('cart', watched());
  t.is(findings(judge).denied.count, 1);
  judge.watch('cart', watched({ inForce: [policy('by-hand', 'cart', { ingress: [{ ports: port(22) }] })] }));
  t.is(findings(judge).denied.count, 1);
  t.is(findings(judge, flow('web > cart 22', denied)).deniedBaseline.count, 1);
  judge.watch('cart', watched({ sinceMs: appliedMs + 1 }));
  t.like(findings(judge), { sinceMs: appliedMs + 1, denied: { count: 0 }, deniedBaseline: { count: 0 } });
  judge.watch('cart', watched({ digest: 'sha256:two' }));
  t.is(findings(judge).digest, 'sha256:two');
});

test('what is not watched any more is not judged', (t) => {
  const judge = judgeOf();
  judge.observe(flow('web > cart 22', denied));
  judge.unwatch('cart');
  judge.observe(flow('web > cart 22', denied));
  t.is(judge.findings('cart'), undefined);
  judge.watch('cart', watched());
  t.is(findings(judge).denied.count, 0);
});

test('verdicts follow the cluster: labels, addresses, and policies of others', (t) => {
  const judge = judgeOf(shadow);
  const one = flow('web > cart 8080');
  t.is(findings(judge, one).wouldDeny.count, 0);
  const relabelled = buildCluster([
    { name: 'web', labels: { app: 'web-2' } },
    { name: 'cart', labels: { app: 'cart' } },
  ]);
  judge.setWorld(worldOf(relabelled));
  t.is(findings(judge, one).wouldDeny.count, 1);

  const enforced = judgeOf();
  const attempt = flow('cart > redis 6379', denied);
  const first = shop();
  const world = worldOf(first);
  enforced.setWorld(world);
  t.is(findings(enforced, attempt).deniedBaseline.times, 1);
  const policies = [cartPolicy, policy('nanoseg-redis', 'redis', { ingress: [], egress: [] })];
  enforced.setWorld({ ...world, index: { ...world.index, cluster: { ...first, policies } } });
  t.is(findings(enforced, attempt).deniedBaseline.times, 1);
});

test('before there is a cluster nothing is judged', (t) => {
  const judge = new FlowJudge();
  judge.watch('cart', watched());
  t.like(findings(judge, flow('web > cart 22', denied)), { judged: 0, denied: { count: 0 } });
});

test('a scan of a hundred thousand targets does not drive out what comes again and again', (t) => {
  const judge = judgeOf();
  const again = flow('web > cart 22', denied);
  const scanner = peer(end('cart'));
  for (let i = 0; i < 100_000; i++) {
    const address = `198.${18 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
    judge.observe({ ...flow('web > cart 1', denied), client: scanner, server: peer(end(address)), port: 443 });
    if (i % 1000 === 0) judge.observe(again);
  }
  const { denied: list } = findings(judge);
  t.is(list.count, 100_001);
  t.is(list.times, 100_100);
  t.is(list.samples.length, listedItems);
  t.like(list.samples[0], { connection: idOf('web > cart 22'), times: 100 });
});

test('an unwatched workload, the API server and addresses are judged as the evaluator judges them', (t) => {
  const open = policy('nanoseg-cart', 'cart', {
    ingress: [],
    egress: [{ to: [{ ipBlock: { cidr: '172.18.0.9/32' } }], ports: port(6443) }],
  });
  const found = findings(
    judgeOf({ ...shadow, policies: [open] }),
    flow('cart > apiserver 6443'),
    flow('cart > apiserver 443'),
  );
  t.like(found, { judged: 2, wouldDeny: { count: 1 } });
  t.deepEqual(idsOf(found.wouldDeny), [idOf('cart > apiserver 443')]);
});
