import { parseIp } from '../model/cidr.ts';
import { apiServerCallers } from '../model/cluster.ts';
import { hasConnection } from '../model/connection-set.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { PolicyProtocol } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import type { Verdict } from './evaluate/decide.ts';
import { type Evaluation, sidePermit } from './evaluate/evaluation.ts';
import type { Party } from './evaluate/views.ts';
import type { ProofWorld } from './proof-world.ts';

/** One side of a connection, as the policies of the subject see it. */
export interface SideQuestion {
  readonly subject: WorkloadKey;
  readonly direction: Direction;
  readonly other: Endpoint;
  readonly protocol: PolicyProtocol;
  readonly port: number;
}

/**
 * What the subject's own side says to a connection under several sets of policies that hold together: allowed when one
 * of them surely allows it to every party that the other endpoint stands for. An endpoint that stands for nobody we
 * know is unknown.
 */
export function subjectVerdict(evaluations: readonly Evaluation[], question: SideQuestion, world: ProofWorld): Verdict {
  if (!world.index.position.has(question.subject)) return 'unknown';
  let possible = false;
  for (const each of evaluations) {
    const verdict = oneVerdict(each, question, partiesOf(question, each, world));
    if (verdict === 'allowed') return verdict;
    possible ||= verdict === 'unknown';
  }
  return possible ? 'unknown' : 'denied';
}

function oneVerdict(
  evaluation: Evaluation,
  { subject, direction, protocol, port }: SideQuestion,
  parties: readonly Party[],
): Verdict {
  let certain = parties.length > 0;
  let possible = parties.length === 0;
  const subjects = evaluation.views.of({ kind: 'workload', workload: subject });
  for (const party of parties) {
    for (const other of evaluation.views.of(party)) {
      for (const own of subjects) {
        const permit = sidePermit(evaluation, direction, own, other);
        certain &&= hasConnection(permit.certain, protocol, port);
        possible ||= hasConnection(permit.possible, protocol, port);
      }
    }
  }
  return certain ? 'allowed' : possible ? 'unknown' : 'denied';
}

function partiesOf(
  { other: endpoint, direction }: SideQuestion,
  { index, cni }: Evaluation,
  { apiServerNodes }: ProofWorld,
): Party[] {
  if (isApiServer(endpoint)) {
    const { cluster } = index;
    const addresses = direction === 'ingress' ? apiServerCallers(cluster) : cluster.apiServer.ips;
    return addresses.flatMap((ip): Party[] => {
      // A plugin that tells nodes from addresses sees an API server on a node as that node.
      const node = cni.ipBlockMatchesNodes === 'no' ? apiServerNodes.get(ip) : undefined;
      return node === undefined ? addressParty(ip) : [{ kind: 'node', name: node }];
    });
  }
  switch (endpoint.kind) {
    case 'workload':
      return index.position.has(endpoint.workload) ? [endpoint] : [];
    case 'node':
      return [endpoint];
    case 'external':
      return addressParty(endpoint.address);
    case 'service':
    case 'unknown':
      return [];
  }
}

function addressParty(text: string): Party[] {
  const ip = parseIp(text);
  return ip ? [{ kind: 'address', ip }] : [];
}
