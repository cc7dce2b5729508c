import { InvalidArgumentError } from 'commander';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `10s`, `5m`, `24h`, `7d` or `0`, in milliseconds. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const parts = /^(\d{1,6})([smhd])$/.exec(text);
  if (parts === null) throw new InvalidArgumentError('Write 10s, 5m, 24h or 7d.');
  return Number(parts[1]) * unitMs[parts[2] as keyof typeof unitMs];
}

/** A time of RFC 3339, or a duration from now, as RFC 3339. */
export function parseExpiry(text: string): string {
  const at = instantOf(text, 1);
  if (at <= Date.now()) throw new InvalidArgumentError('That is in the past.');
  return new Date(at).toISOString();
}

/** A time of RFC 3339 or a duration before now, in milliseconds since 1970. */
export function parseSince(text: string): number {
  return instantOf(text, -1);
}

/** `direction`: whether a duration is one from now on, or up to now. */
function instantOf(text: string, direction: 1 | -1): number {
  const isDuration = /^(?:0|\d{1,6}[smhd])$/.test(text);
  const isTime = /^\d{4}-\d\d-\d\d(?:T|$)/.test(text);
  const at = isDuration ? Date.now() + direction * parseDuration(text) : isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('Write 24h, 7d or a time like 2026-12-31T18:00:00Z.');
  return at;
}
