import { parseCidr } from '../../model/cidr.ts';
import type { DraftPeer, DraftPort, PolicyDraft } from '../../model/policy-draft.ts';

type CidrPeer = Extract<DraftPeer, { readonly kind: 'cidr' }>;

const matchName = /^(?:[-a-zA-Z0-9_]+\.)*[-a-zA-Z0-9_]+$/;

/** True for port 53 itself: the only one on which Cilium accepts DNS rules. */
export function isDnsPort({ protocol, port, endPort, name }: DraftPort): boolean {
  return port === 53 && endPort === undefined && name === undefined && protocol !== 'SCTP';
}

/** The rule through which the subject asks the cluster DNS on UDP 53, without which Cilium learns no names. */
export function hasDnsRule({ egress }: PolicyDraft): boolean {
  return egress.some(
    ({ because, ports }) =>
      because === 'cluster-dns' && ports.some((port) => isDnsPort(port) && port.protocol === 'UDP'),
  );
}

/**
 * The names to write instead of a single external address: all that flows carried for it. Undefined where the profile
 * named a network or joined addresses to a block (then the block is what was meant), or a name is none.
 */
export function namesInsteadOf(peer: CidrPeer): readonly string[] | undefined {
  if (peer.dnsNames.length === 0 || peer.network !== undefined) return undefined;
  const cidr = parseCidr(peer.cidr);
  if (cidr?.prefix !== (cidr?.family === 4 ? 32 : 128)) return undefined;
  return peer.dnsNames.every((name) => matchName.test(name)) ? peer.dnsNames : undefined;
}
