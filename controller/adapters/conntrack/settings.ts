import { readFile } from 'node:fs/promises';

/** A number among the settings of connection tracking of this network namespace; undefined where it is not there. */
export async function readSetting(name: string): Promise<number | undefined> {
  const text = await readFile(`/proc/sys/net/netfilter/${name}`, 'utf8').catch(() => '');
  return /^\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}
