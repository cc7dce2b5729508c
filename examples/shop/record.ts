import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { dump } from 'js-yaml';
import { encodeFlow } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import { type Flow, unnamedPeer } from '../../controller/model/flow.ts';
import { protocolNumber } from '../../controller/model/protocol.ts';
import { Fleet } from './recorder/fleet.ts';
import { inventory } from './recorder/inventory.ts';
import { assertAlone, buildLab, nodes } from './recorder/lab.ts';
import { readWorld } from './recorder/manifests.ts';
import { type DeniedPacket, NodeRecording } from './recorder/recording.ts';
import { startDelayMs, Timetable } from './recorder/timetable.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const insideFlag = 'NANOSEG_RECORDER_OUTER_NAMESPACE';
/** Larger event files are compressed. */
const plainBytes = 1_000_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

const { values } = parseArgs({
  options: { duration: { type: 'string', default: '118' }, out: { type: 'string', default: here } },
});
const durationS = Number(values.duration);
if (!(durationS >= 90 && durationS <= 600)) {
  say(`--duration: expected 90 to 600 seconds, got ${values.duration}`);
  process.exit(2);
}

/** Only the system's own tools: packages of this project bring others of the same names (`nft`). */
process.env['PATH'] = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const missing = ['unshare', 'nsenter', 'mount', 'ip', 'nft', 'conntrack', 'sysctl'].filter(
  (tool) => spawnSync(tool, ['--help']).error,
);
if (process.getuid?.() !== 0 || missing.length > 0) {
  say(`record.ts makes network namespaces: it needs root${missing.length > 0 ? ` and ${missing.join(', ')}` : ''}`);
  process.exit(2);
}

const outerNamespace = process.env[insideFlag];
process.exit(outerNamespace === undefined ? await startInside() : await record(outerNamespace, resolve(values.out)));

/**
 * Runs this program again in network, mount and process namespaces of its own: nothing can leave the machine, and
 * whatever ends it (Ctrl-C too), the kernel takes every process and interface of it away.
 */
async function startInside(): Promise<number> {
  const [unshare, ...flags] = [
    'unshare',
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ] as const;
  const child = spawn(unshare, [...flags, process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { PATH: process.env['PATH'], [insideFlag]: readlinkSync('/proc/self/ns/net') },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 130;
}

async function record(outer: string, out: string): Promise<number> {
  process.on('SIGINT', () => process.exit(130));
  const world = readWorld(join(here, 'cluster'));
  assertAlone(outer);
  buildLab();
  const failures = new Map<string, number>();
  const fleet = new Fleet(world, (who, line) =>
    failures.set(`${who}: ${line}`, (failures.get(`${who}: ${line}`) ?? 0) + 1),
  );
  const delayMs = startDelayMs(Date.now());
  say(`the nodes are up; recording starts in ${Math.round(delayMs / 1_000)} s`);
  await sleep(delayMs);
  const startMs = Date.now();
  await fleet.startNodes();
  const recordings = nodes.map((node) => new NodeRecording(node));
  await Promise.all(recordings.map((recording) => recording.start()));
  await new Timetable(world, fleet, (line) =>
    say(`${((Date.now() - startMs) / 1_000).toFixed(0).padStart(4)} s  ${line}`),
  ).play(startMs + durationS * 1_000);
  await Promise.all(recordings.map((recording) => recording.stop()));
  write(out, recordings, inventory(world, fleet.pods));
  for (const [failure, count] of [...failures].sort(([a], [b]) => a.localeCompare(b))) say(`${count} x ${failure}`);
  return 0;
}

function write(out: string, recordings: readonly NodeRecording[], objects: readonly object[]): void {
  for (const folder of ['flows', 'cluster']) mkdirSync(join(out, folder), { recursive: true });
  for (const { node, lines } of recordings) {
    const path = join(out, 'flows', `${node.name}.conntrack.txt`);
    for (const old of [path, `${path}.gz`]) rmSync(old, { force: true });
    const text = `${lines.join('\n')}\n`;
    if (text.length > plainBytes) writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
    else writeFileSync(path, text);
  }
  const denied = recordings.flatMap((recording) => recording.denied);
  writeFileSync(
    join(out, 'flows', 'denied.jsonl'),
    denied.map((packet) => `${encodeFlow(deniedFlow(packet))}\n`).join(''),
  );
  const documents = objects.map((object) => dump(object, { noRefs: true, lineWidth: -1 }));
  const heading = '# Written by record.ts in the run that made the flows: do not edit.\n';
  writeFileSync(join(out, 'cluster', 'recorded-inventory.yaml'), heading + documents.join('---\n'));
}

function deniedFlow(packet: DeniedPacket): Flow {
  return {
    timeMs: packet.timeMs,
    endMs: packet.timeMs,
    client: { ...unnamedPeer, ip: packet.source },
    server: { ...unnamedPeer, ip: packet.destination },
    clientPort: packet.sourcePort,
    port: packet.destinationPort,
    addressed: undefined,
    protocol: protocolNumber.TCP,
    directed: true,
    verdict: 'denied',
    answered: false,
    connections: 1,
    bytes: 0,
    source: 'nanoseg',
    node: packet.node,
  };
}
