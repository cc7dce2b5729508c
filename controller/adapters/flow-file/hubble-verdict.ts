import type { HubblePacket } from './hubble-packet.ts';

/** Reasons for which a policy drops: no rule allows it, a rule denies it, mutual authentication is missing. */
const policyDropReasons: ReadonlySet<unknown> = new Set([
  133,
  181,
  189,
  'POLICY_DENIED',
  'POLICY_DENY',
  'AUTH_REQUIRED',
]);

/**
 * What the verdict says about the packet, all as Hubble writes it, by name or number; undefined for verdicts that are no
 * decision about traffic that passed or was denied by policy. Any other reason for a drop (stale address, unroutable, rate
 * limit, …) is no word of a policy; without a reason only a policy verdict event is.
 */
export function hubbleVerdict(
  verdict: unknown,
  dropReason: unknown,
  isPolicyVerdictEvent: boolean,
): HubblePacket['verdict'] | undefined {
  switch (verdict) {
    case 'FORWARDED':
    case 'REDIRECTED':
    case 1:
    case 5:
      return 'allowed';
    case 'AUDIT':
    case 4:
      return 'audited';
    case 'DROPPED':
    case 2: {
      const isPolicy = dropReason === undefined ? isPolicyVerdictEvent : policyDropReasons.has(dropReason);
      return isPolicy ? 'denied' : undefined;
    }
    default:
      return undefined;
  }
}
