/** Time that has passed, in the largest unit that says enough: `12s`, `3m`, `5h`, `9d`. */
export function age(sinceText: string | undefined, nowMs: number): string {
  const since = sinceText === undefined ? Number.NaN : Date.parse(sinceText);
  if (Number.isNaN(since)) return 'unknown';
  const seconds = Math.max(0, Math.floor((nowMs - since) / 1_000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
