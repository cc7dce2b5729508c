import type { OverGrant } from '../model/proposal.ts';
import { type PolicyProtocol, policyProtocols } from '../model/protocol.ts';

/** `egress shop/Deployment/cart TCP 6379 (edit)`: what a resource keeps of an over-grant. */
export function overGrantWords({ direction, peer, protocol, ports, allowance, widenedBy }: OverGrant): string {
  const why = allowance ?? widenedBy;
  return `${direction} ${peer} ${protocol} ${ports}${why === undefined ? '' : ` (${why})`}`;
}

/** What the words of an over-grant say; undefined for words of another form. */
export function parseOverGrant(words: string):
  | {
      readonly direction: 'ingress' | 'egress';
      /** A workload's key, or a CIDR. */
      readonly peer: string;
      readonly protocol: PolicyProtocol;
      readonly ports: string;
    }
  | undefined {
  const [, direction, peer, name, ports] = /^(ingress|egress) (\S+) (\S+) (.+?)(?: \([^()]*\))?$/.exec(words) ?? [];
  const protocol = policyProtocols.find((each) => each === name);
  if ((direction !== 'ingress' && direction !== 'egress') || !peer || !protocol || !ports) return undefined;
  return { direction, peer, protocol, ports };
}
