import { readFile } from 'node:fs/promises';

/**
 * How many messages the kernel threw away because the netlink socket with this port was full, since it was opened;
 * undefined where the kernel does not say.
 */
export async function droppedEvents(port: number): Promise<number | undefined> {
  const text = await readFile('/proc/net/netlink', 'utf8').catch(() => '');
  return parseDropped(text, port);
}

const netfilter = 12;

/** Reads the table by its heading, to which kernels add columns. */
export function parseDropped(text: string, port: number): number | undefined {
  const [heading = '', ...lines] = text.split('\n');
  const columns = heading.trim().split(/\s+/);
  const [protocolColumn, portColumn, dropsColumn] = ['Eth', 'Pid', 'Drops'].map((name) => columns.indexOf(name));
  for (const line of lines) {
    const cells = line.trim().split(/\s+/);
    const cell = (column: number | undefined) => Number(cells[column ?? -1] ?? Number.NaN);
    if (cell(protocolColumn) !== netfilter || cell(portColumn) !== port) continue;
    const drops = cell(dropsColumn);
    return Number.isSafeInteger(drops) ? drops : undefined;
  }
  return undefined;
}
