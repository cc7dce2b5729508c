import test from 'ava';
import fc from 'fast-check';
import { cidrContains, parseCidr } from '../../controller/model/cidr.ts';
import type { DraftPeer } from '../../controller/model/policy-draft.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import type { Deployed } from '../support/worlds/deploy.ts';
import { clusterOf, sightingOf } from '../support/worlds/in-memory.ts';
import type { Party } from '../support/worlds/plan.ts';
import { type Proposed, propose } from '../support/worlds/propose.ts';
import { lint, portsToAsk, strangersToAsk } from '../support/worlds/questions.ts';
import { randomOf } from '../support/worlds/random.ts';
import { connectionsSeen } from '../support/worlds/traffic.ts';
import { grantText, isDnsAllowance, Verdicts } from '../support/worlds/verdicts.ts';
import { rollOut, type World, worldArbitrary } from '../support/worlds/world.ts';

/** The invariants of the specification, each over this many random clusters with known truth. */
const numRuns = 1000;
/** Drawn anew in every run of this file; its tests share it, and so their worlds and what is proposed for them. */
const [seed = 0] = fc.sample(fc.integer(), 1);
const runs = { numRuns, seed, includeErrorInReport: true };
const known = new Map<string, Proposed>();

function proposeFor({ deployed, traffic }: World): Proposed {
  return propose(clusterOf(deployed), traffic.map(sightingOf));
}

function holds(t: { pass: () => void }, property: (world: World, proposed: Proposed) => void): void {
  const check = (world: World) => {
    const name = fc.stringify(world);
    const proposed = known.get(name) ?? proposeFor(world);
    if (known.size < numRuns) known.set(name, proposed);
    property(world, proposed);
  };
  fc.assert(fc.property(worldArbitrary, check), runs);
  t.pass();
}

function expectNone(what: string, found: readonly string[]): void {
  if (found.length > 0) throw new Error(`${what}:\n  ${found.slice(0, 5).join('\n  ')}`);
}

function isolatedBy({ drafted }: Proposed): ReadonlySet<WorkloadKey> {
  return new Set(drafted.map(({ workload }) => workload));
}

function overGrants(deployed: Deployed, { policies }: Proposed): string[] {
  const { plan } = deployed;
  const dns = plan.workloads.find(({ name }) => name === 'coredns')?.key as WorkloadKey;
  return new Verdicts(deployed, policies)
    .overGrants(portsToAsk(plan), strangersToAsk(plan))
    .filter((triple) => !isDnsAllowance(triple, dns));
}

test('every allowed, attributed, directed flow stays allowed', (t) => {
  holds(t, ({ deployed, traffic }, { policies }) => {
    const seen = connectionsSeen(traffic);
    expectNone('a legitimate connection is denied', new Verdicts(deployed, policies).broken(seen));
  });
});

test('every pod of a workload with a proposal is isolated in both directions', (t) => {
  holds(t, ({ deployed }, proposed) => {
    expectNone('not isolated', new Verdicts(deployed, proposed.policies).open(isolatedBy(proposed)));
  });
});

test('no pair without evidence is allowed on any port', (t) => {
  holds(t, ({ deployed }, proposed) => expectNone('granted and never needed', overGrants(deployed, proposed)));
});

test('attacks and denied attempts are never learned', (t) => {
  holds(t, ({ deployed, plan }, { policies }) => {
    expectNone('an attempt is allowed', new Verdicts(deployed, policies).allowedOf(plan.attempts));
  });
});

test('no policy names a generated label, a pod address, every pod, every peer or every port', (t) => {
  holds(t, ({ deployed }, { policies }) => {
    const podCidrs = deployed.nodes.flatMap((node) => node.podCidrs);
    expectNone(
      'a reviewer would strike it out',
      policies.flatMap((policy) => lint(policy, podCidrs)),
    );
  });
});

test('after every workload is rolled out anew and scaled up, the same policies select and allow the same', (t) => {
  holds(t, (world, proposed) => {
    const { deployed } = rollOut(world);
    const after = new Verdicts(deployed, proposed.policies);
    expectNone('denied after the rollout', after.broken(connectionsSeen(world.traffic)));
    expectNone('not isolated after the rollout', after.open(isolatedBy(proposed)));
    expectNone('granted after the rollout', overGrants(deployed, proposed));
  });
});

test('what is learned after a rollout is byte for byte what was learned before', (t) => {
  const rolledOut = worldArbitrary.map((world) => rollOut(world, 1));
  const property = fc.property(rolledOut, (world) => {
    const [before, after] = [world, rollOut(world, 1)].map((one) => proposeFor(one).yaml);
    expectNone('changed by the rollout', changed(before ?? new Map(), after ?? new Map()));
  });
  fc.assert(property, runs);
  t.pass();
});

test('proposals are the same bytes whatever the order of flows', (t) => {
  holds(t, (world, { yaml }) => {
    const traffic = randomOf(world.seed).fork('order').shuffled(world.traffic);
    expectNone('changed by the order', changed(yaml, proposeFor({ ...world, traffic }).yaml));
  });
});

test('removing evidence never adds an allowed pair', (t) => {
  holds(t, (world, full) => {
    const random = randomOf(world.seed).fork('removal');
    const gone = new Set(world.plan.connections.filter(() => random.chance(0.3)));
    const keeps = world.plan.connections.filter((one) => !gone.has(one));
    const fewer = proposeFor({ ...world, traffic: trafficOf(world, keeps) });
    expectNone('allowed by less evidence only', added(world, full, fewer));
  });
});

test('adding a peer never removes an allowed pair, and changes the policies of the two alone', (t) => {
  holds(t, (world, before) => {
    const random = randomOf(world.seed).fork('addition');
    const servers = world.plan.workloads.filter(({ ports, hostNetwork }) => ports.length > 0 && !hostNetwork);
    const clients = [...isolatedBy(before)];
    if (clients.length === 0) return;
    const server = random.pick(servers);
    const client = random.pick(clients.filter((key) => key !== server.key).concat(server.key));
    const sightings = world.traffic.map(sightingOf);
    const after = propose(clusterOf(world.deployed), [...sightings, ...newPeer(world, client, server.key)]);
    expectNone('lost by an added peer', added(world, after, before));
    const others = changed(before.yaml, after.yaml).filter((key) => key !== client && key !== server.key);
    expectNone('changed by a peer of others', others);
  });
});

test('the policies read back from their YAML decide exactly as the drafts', (t) => {
  holds(t, (world, proposed) => expectNone('decided differently', differentlyDecided(world, proposed)));
});

test('unknown, ambiguous and undirected endpoints change no rule', (t) => {
  holds(t, (world, clean) => {
    const noise = noiseOf(world);
    const noisy = propose(clusterOf(world.deployed), [...world.traffic.map(sightingOf), ...noise]);
    expectNone('changed by what nobody can attribute', changed(clean.yaml, noisy.yaml));
  });
});

/** Workloads whose file is not the same in both, by name. */
function changed(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
}

/** What `less` allows and `more` denies, among workloads that both isolate. */
function added(world: World, more: Proposed, less: Proposed): string[] {
  const [wide, narrow] = [more, less].map(({ policies }) => new Verdicts(world.deployed, policies));
  const both = isolatedBy(more).intersection(isolatedBy(less));
  const ask = [portsToAsk(world.plan), strangersToAsk(world.plan)] as const;
  const allowed = new Set(wide?.grants(...ask, both));
  return narrow?.grants(...ask, both).filter((triple) => !allowed.has(triple)) ?? [];
}

function trafficOf({ traffic }: World, kept: World['plan']['connections']): World['traffic'] {
  const connections = new Set<object>(kept);
  return traffic.filter(({ origin, attempt }) => attempt !== undefined || connections.has(origin));
}

/** A legitimate-looking connection that the plan does not have: opened by every pod of the client, and answered. */
function newPeer({ deployed, plan }: World, client: WorkloadKey, server: WorkloadKey): Sighting[] {
  const lives = (key: WorkloadKey) => deployed.lives.filter(({ workload }) => workload.key === key);
  const port = plan.workloads.find(({ key }) => key === server)?.ports[0];
  const [from, to] = [lives(client), lives(server)];
  return from.flatMap((life, i) => {
    const target = to[i % to.length];
    if (port === undefined || target === undefined || target === life) return [];
    const event = {
      timeMs: Math.max(life.startMs, target.startMs) + 20_000,
      client: { kind: 'pod', ip: life.ips[0] ?? '', life },
      server: { kind: 'pod', ip: target.ips[0] ?? '', life: target },
      protocol: port.protocol,
      clientPort: 40_000 + i,
      port: port.number,
      addressed: undefined,
      hiddenClient: undefined,
      verdict: 'allowed',
      answered: true,
      origin: plan.connections[0] as World['plan']['connections'][number],
      attempt: undefined,
    } as const;
    return [sightingOf(event)];
  });
}

/** Sightings of which at least one thing is not known that a rule would need. */
function noiseOf({ seed, traffic }: World): Sighting[] {
  const random = randomOf(seed).fork('noise');
  const reasons = ['ambiguous', 'before-inventory', 'no-owner', 'not-in-inventory', 'unnamed'] as const;
  const unknown = () => {
    const address = random.chance(0.5) ? `10.244.9.${random.int(1, 200)}` : '';
    return { endpoint: { kind: 'unknown', reason: random.pick(reasons), address }, replica: 0 } as const;
  };
  const nowhere = { endpoint: { kind: 'service', namespace: 'shop', name: 'gone' }, replica: 0 } as const;
  return traffic
    .filter(({ attempt }) => attempt === undefined && random.chance(0.3))
    .map((event): Sighting => {
      const sighting = sightingOf(event);
      const other = { ...sighting, port: sighting.port + 7, clientPort: random.int(1025, 65_000) };
      return random.pick<() => Sighting>([
        () => ({ ...other, client: unknown() }),
        () => ({ ...other, server: unknown() }),
        () => ({ ...other, server: nowhere }),
        () => ({ ...other, directed: false }),
        () => ({ ...other, port: 0 }),
        () => ({ ...other, port: 0, protocol: 1 }),
        () => ({ ...other, protocol: 47 }),
      ])();
    });
}

/** What a draft, by its own lists of workloads and blocks, allows and its YAML does not, or the other way round. */
function differentlyDecided({ deployed, plan }: World, { drafted, policies }: Proposed): string[] {
  const verdicts = new Verdicts(deployed, policies);
  const [ports, strangers] = [portsToAsk(plan), strangersToAsk(plan)];
  return drafted.flatMap(({ workload, draft }) => {
    const asWritten = new Set(verdicts.grants(ports, strangers, new Set([workload])));
    const asDrafted = new Set<string>();
    for (const direction of ['Ingress', 'Egress'] as const) {
      const rules = direction === 'Ingress' ? draft.ingress : draft.egress;
      for (const { other, addresses } of verdicts.opposites(workload, direction, strangers)) {
        const meeting = rules.filter(({ peers }) => peers.some((peer) => peerMeets(peer, other, addresses)));
        for (const { protocol, port: first, endPort } of meeting.flatMap((rule) => rule.ports)) {
          for (const port of ports.filter((one) => first <= one && one <= (endPort ?? first))) {
            asDrafted.add(grantText(direction, workload, other, protocol, port));
          }
        }
      }
    }
    return [...asWritten.symmetricDifference(asDrafted)];
  });
}

function peerMeets(peer: DraftPeer, other: Party, addresses: readonly string[]): boolean {
  const inside = (cidrs: readonly string[]) => addresses.some((address) => cidrs.some((cidr) => within(cidr, address)));
  switch (peer.kind) {
    case 'pods':
      return other.kind === 'workload' && peer.workloads.includes(other.key);
    case 'cidr':
      return inside([peer.cidr]) && !inside(peer.except);
    case 'apiserver':
      return inside(peer.addresses);
    case 'nodes':
      return inside(peer.cidrs);
    case 'world':
      return !inside(peer.except);
  }
}

function within(cidr: string, address: string): boolean {
  const [outer, inner] = [parseCidr(cidr), parseCidr(address)];
  return outer !== undefined && inner !== undefined && cidrContains(outer, inner);
}
