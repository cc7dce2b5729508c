/** Transport protocols that a NetworkPolicy can name, in the order in which we always print them. */
export const policyProtocols = ['TCP', 'UDP', 'SCTP'] as const;
export type PolicyProtocol = (typeof policyProtocols)[number];

/** IANA protocol numbers of what flow sources report; flows carry the number so that unknown protocols survive. */
export const protocolNumber = {
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  DCCP: 33,
  GRE: 47,
  ICMPv6: 58,
  SCTP: 132,
} as const;

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(protocolNumber).map(([name, number]) => [number, name]),
);

/** `TCP` for 6; `IP-4` for a number without a name of ours. */
export function protocolName(number: number): string {
  return names.get(number) ?? `IP-${number}`;
}

/** The policy protocol of an IANA number, or undefined where a NetworkPolicy cannot say it (ICMP, GRE, …). */
export function policyProtocolOf(number: number): PolicyProtocol | undefined {
  switch (number) {
    case protocolNumber.TCP:
      return 'TCP';
    case protocolNumber.UDP:
      return 'UDP';
    case protocolNumber.SCTP:
      return 'SCTP';
    default:
      return undefined;
  }
}

/** The IANA number of a protocol name in any case (`tcp`, `icmpv6`, `IP-4`) or decimal text, else undefined. */
export function parseProtocol(text: string): number | undefined {
  const upper = text.toUpperCase();
  for (const [number, name] of names) if (name.toUpperCase() === upper) return number;
  if (upper === 'ICMPV4') return protocolNumber.ICMP;
  if (upper === 'IPV6-ICMP' || upper === 'ICMP6') return protocolNumber.ICMPv6;
  const digits = /^(?:IP-)?(\d{1,3})$/.exec(upper);
  const number = digits ? Number(digits[1]) : Number.NaN;
  return number >= 0 && number <= 255 ? number : undefined;
}
