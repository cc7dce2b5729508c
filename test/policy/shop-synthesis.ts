import type { Cluster } from '../../controller/model/cluster.ts';
import type { Connection } from '../../controller/model/connection.ts';
import type { DraftPeer, PolicyDraft } from '../../controller/model/policy-draft.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { SynthesisResult } from '../../controller/model/proposal.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { synthesizer } from '../../controller/policy/synthesize.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connectionSource } from '../support/build-connections.ts';

interface Given {
  readonly profile?: Partial<Profile>;
  readonly cni?: Profile['cni'];
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

export function resultOf(
  cluster: Cluster,
  connections: readonly (string | Connection)[],
  workload: string,
  { profile, cni = 'calico', names }: Given = {},
): SynthesisResult {
  return synthesizer({
    cluster,
    connections: connectionSource(connections, names),
    profile: { ...defaultProfile, ...profile },
    cni: cniProfile(cni),
  })(keyOf(workload));
}

export function draftOf(...given: Parameters<typeof resultOf>): PolicyDraft {
  const result = resultOf(...given);
  if (result.kind !== 'synthesised') throw new Error(JSON.stringify(result));
  return result.draft;
}

export function ports(draft: PolicyDraft, direction: 'ingress' | 'egress'): string[] {
  return draft[direction].map((rule) => rule.ports.map(({ protocol, port }) => `${protocol} ${port}`).join(' '));
}

export function podPeers(peers: readonly DraftPeer[]): Extract<DraftPeer, { kind: 'pods' }>[] {
  return peers.filter((peer) => peer.kind === 'pods');
}

export const app = (name: string, more: object = {}) => ({ name, labels: { app: name }, ...more });
export const shop = buildCluster([app('frontend'), app('cart'), app('checkout'), app('redis'), app('quiet')]);
