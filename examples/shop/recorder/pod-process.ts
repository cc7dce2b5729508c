import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect, createServer, isIP } from 'node:net';
import { createInterface } from 'node:readline';
import { answerDns, type DnsRecords } from './dns-answer.ts';

// The program that runs inside of a pod's network namespace (and on nodes and outside hosts). It reads orders as JSON
// lines from standard input, says `ready` once it listens, prints one line per failed call, and ends with its input.

export interface Call {
  /** Tells calls apart, so that a new order keeps those that go on. */
  readonly key: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly to: string;
  readonly port: number;
  readonly family: 4 | 6;
  /** Mean time between two calls; each pause is between half and one and a half of it. */
  readonly everyMs: number;
  /** Own address to call from, where the host has several. */
  readonly from?: string;
}

export type Order =
  | { readonly listen: readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: number }[] }
  /** Replaces the calls that are made again and again. */
  | { readonly calls: readonly Call[]; readonly nameServer?: string }
  /** Makes these calls one after the other, once. */
  | { readonly once: readonly Call[] }
  /** Opens one connection and keeps it. */
  | { readonly hold: { readonly to: string; readonly port: number } }
  /** Answers DNS on port 53, instead of the plain answers, with these records. */
  | { readonly records: DnsRecords };

const timeoutMs = 900;
const cacheMs = 6_000;
/** So small that only a name with several addresses needs TCP, as a real server's limit does for long answers. */
const dnsLimitBytes = 100;

let records: DnsRecords = {};
const timers = new Map<string, NodeJS.Timeout>();
let resolver = new Resolver();
let nameServer: string | undefined;
const cache = new Map<string, { readonly addresses: readonly string[]; readonly until: number }>();

const say = (line: string) => process.stdout.write(`${line}\n`);
const bytesBetween = (least: number, most: number) =>
  Buffer.alloc(least + Math.floor(Math.random() * (most - least)), 46);

function listenTcp(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: Buffer) => {
      if (port !== 53) return void socket.write(bytesBetween(200, 4_000));
      const answer = answerDns(data.subarray(2), records, 65_535);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    });
  });
  return new Promise((resolve) => server.listen(port, '::', () => resolve()));
}

function listenUdp(port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (data, { address, port: clientPort }) => {
    if (port === 53) socket.send(answerDns(data, records, dnsLimitBytes), clientPort, address);
  });
  return new Promise((resolve) => socket.bind(port, () => resolve()));
}

async function addressOf({ to, family }: Call): Promise<string> {
  if (isIP(to)) return to;
  const key = `${to}/${family}`;
  const cached = cache.get(key);
  let addresses = cached && cached.until > Date.now() ? cached.addresses : [];
  if (addresses.length === 0) {
    addresses = family === 4 ? await resolver.resolve4(to) : await resolver.resolve6(to);
    cache.set(key, { addresses, until: Date.now() + cacheMs });
  }
  const address = addresses[Math.floor(Math.random() * addresses.length)];
  if (address === undefined) throw new Error('no address');
  return address;
}

function callTcp(host: string, { port, from }: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeoutMs);
    socket.on('connect', () => socket.write(bytesBetween(80, 600)));
    socket.on('data', () => socket.end());
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function sendUdp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.send(bytesBetween(30, 200), port, host, (error) => {
      socket.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

async function makeCall(call: Call): Promise<void> {
  try {
    const host = await addressOf(call);
    await (call.protocol === 'TCP' ? callTcp(host, call) : sendUdp(host, call.port));
  } catch (error) {
    const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
    say(`failed ${call.protocol} ${call.to}:${call.port} ${reason}`);
  }
}

function repeat(call: Call, waitMs: number): void {
  const again = async () => {
    await makeCall(call);
    if (timers.has(call.key)) repeat(call, call.everyMs * (0.5 + Math.random()));
  };
  timers.set(
    call.key,
    setTimeout(() => void again(), waitMs),
  );
}

async function obey(order: Order): Promise<void> {
  if ('listen' in order) {
    for (const { protocol, port } of order.listen) await (protocol === 'TCP' ? listenTcp(port) : listenUdp(port));
    say('ready');
  } else if ('calls' in order) {
    if (order.nameServer !== undefined && order.nameServer !== nameServer) {
      nameServer = order.nameServer;
      resolver = new Resolver({ timeout: 700, tries: 2 });
      resolver.setServers([nameServer]);
    }
    const wanted = new Set(order.calls.map(({ key }) => key));
    for (const [key, timer] of timers) {
      if (wanted.has(key)) continue;
      clearTimeout(timer);
      timers.delete(key);
    }
    for (const call of order.calls) if (!timers.has(call.key)) repeat(call, call.everyMs * Math.random());
  } else if ('once' in order) {
    for (const call of order.once) await makeCall(call);
    say('done');
  } else if ('hold' in order) {
    connect({ host: order.hold.to, port: order.hold.port }, () => say('holding')).on('error', () => say('lost'));
  } else {
    records = order.records;
  }
}

if (import.meta.main) {
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => void obey(JSON.parse(line) as Order));
  input.on('close', () => process.exit(0));
}
