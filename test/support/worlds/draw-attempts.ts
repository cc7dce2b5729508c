import type { PlannedAttempt, PlannedWorkload, WorldPlan } from './plan.ts';
import type { Random } from './random.ts';
import { partyId, tripleId } from './triple.ts';

const scannedPorts = [21, 22, 23, 25, 111, 445, 2375, 3306, 3389, 5900, 6379, 11211];

/**
 * What an intruder inside would try; none of it is ever a legitimate triple. A scanner is one whose legitimate
 * connections are regular, because one that was only seen during a scan cannot be told from it.
 */
export function drawAttempts(random: Random, plan: WorldPlan): PlannedAttempt[] {
  const legitimate = new Set(plan.connections.map(tripleId));
  const inside = plan.workloads.filter(({ namespace, hostNetwork }) => namespace !== 'kube-system' && !hostNetwork);
  const steady = inside.filter(({ kind }) => kind !== 'CronJob' && kind !== 'Job');
  if (steady.length === 0) return [];
  const attempts: PlannedAttempt[] = [];
  const rarely = new Set(plan.connections.filter(({ perDay }) => perDay < 1).map(({ source }) => partyId(source)));
  const regular = steady.filter(({ key }) => !rarely.has(key));
  const intruder = regular.length === 0 ? undefined : random.pick(regular);
  const scanKind = random.pick(['denied-scan', 'unanswered-scan'] as const);
  for (const target of steady) {
    for (const port of scannedPorts) {
      if (intruder !== undefined && target.key !== intruder.key)
        attempts.push(toWorkload(scanKind, intruder, target, port));
    }
  }
  const source = { kind: 'workload', key: random.pick(steady).key } as const;
  attempts.push({
    kind: 'metadata-service',
    source,
    destination: { kind: 'external', address: '169.254.169.254' },
    protocol: 'TCP',
    port: 80,
  });
  attempts.push({ kind: 'kubelet-port', source, destination: { kind: 'node' }, protocol: 'TCP', port: 10250 });
  const thief = steady.find(({ serviceAccount }) => serviceAccount === undefined);
  if (thief !== undefined) {
    const from = { kind: 'workload', key: thief.key } as const;
    attempts.push({
      kind: 'stolen-token',
      source: from,
      destination: { kind: 'apiserver' },
      protocol: 'TCP',
      port: 6443,
    });
  }
  const many = steady.find(({ replicas, kind }) => replicas >= 3 && kind === 'Deployment');
  const victim = many && inside.find(({ key, ports }) => key !== many.key && ports.length > 0);
  if (many !== undefined && victim !== undefined) {
    const port = victim.ports[0];
    if (port?.protocol === 'TCP') attempts.push(toWorkload('single-replica', many, victim, port.number));
  }
  return attempts.filter((attempt) => !legitimate.has(tripleId(attempt)));
}

function toWorkload(
  kind: PlannedAttempt['kind'],
  source: PlannedWorkload,
  target: PlannedWorkload,
  port: number,
): PlannedAttempt {
  return {
    kind,
    source: { kind: 'workload', key: source.key },
    destination: { kind: 'workload', key: target.key },
    protocol: 'TCP',
    port,
  };
}
