/** How long ago, for people: `now`, `12s`, `5m`, `3h`, `4d`. */
export function ago(time: string | number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - new Date(time).getTime()) / 1000));
  if (seconds < 5) return 'now';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

/** `2026-11-23 14:05:09Z`. */
export function moment(time: string): string {
  return time.replace('T', ' ').replace(/\.\d+(?=Z)/, '');
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
