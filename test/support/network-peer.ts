import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import type { HeldState, PeerAnswer, PeerRequest, Probe, ProbeResult } from './network-host.ts';

/**
 * The one program that runs in a test host's network namespace: it serves, connects and tells what happened. Its parent is
 * `network-host.ts`. Arguments: the name that it answers with, and settings of the kernel as JSON, path below /proc/sys to
 * value.
 */
const [, , name = '', settings = '{}'] = process.argv;

for (const [path, value] of Object.entries(JSON.parse(settings) as Record<string, string>)) {
  writeFileSync(`/proc/sys/${path}`, value);
}

/** A datagram that nobody answered is sent again after this, as any client would. */
const resendMs = 700;
const question = 'who\n';
const held = new Map<string, Socket>();

process.on('message', (request: PeerRequest) => {
  void answer(request).then(
    (result) => send({ id: request.id, result }),
    (error: Error) => send({ id: request.id, error: `${name}: ${error.message}` }),
  );
});
process.on('disconnect', () => process.exit());
send({ id: 0, result: 'ready' });

async function answer(request: PeerRequest): Promise<unknown> {
  switch (request.do) {
    case 'listen':
      await Promise.all(request.tcp.map(serveTcp));
      await Promise.all(request.udp.flatMap((port) => request.addresses.map((address) => serveUdp(address, port))));
      return undefined;
    case 'probe':
      return Promise.all(request.probes.map((probe) => (probe.protocol === 'TCP' ? askTcp(probe) : askUdp(probe))));
    case 'hold':
      return hold(request.key, request.address, request.port);
    case 'say':
      return say(request.key, request.withinMs);
  }
}

function send(message: PeerAnswer): void {
  process.send?.(message);
}

/** Both families; every line is answered with who answers, and whom it takes for its client. */
function serveTcp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.write(told(socket.remoteAddress)));
    });
    server.once('error', reject).listen({ port, host: '::', backlog: 511 }, resolve);
  });
}

/** One socket for each address: the answer has to come from the address that was asked. */
function serveUdp(address: string, port: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.on('message', (_, from) => socket.send(told(from.address), from.port, from.address));
    socket.once('error', reject).bind(port, address, resolve);
  });
}

function told(client: string | undefined): string {
  return `${name} ${client?.replace(/^::ffff:/, '')}`;
}

function askTcp({ address, port, from, withinMs }: Probe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      socket.end();
      resolve(result);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      resolve({ outcome: 'silent', detail: `nothing for ${withinMs} ms` });
    }, withinMs);
    socket.on('error', (error) => end(failed(error)));
    socket.on('connect', () => socket.write(question));
    socket.on('data', (text) => end(answered(String(text))));
  });
}

function askUdp({ address, port, from, withinMs }: Probe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let isOpen = true;
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      clearInterval(again);
      if (isOpen) socket.close();
      isOpen = false;
      resolve(result);
    };
    const ask = () => {
      // a refusal may be told to the send that comes after it, and then also as an event
      if (isOpen) socket.send(question, (error) => error && end(failed(error)));
    };
    const timer = setTimeout(() => end({ outcome: 'silent', detail: `nothing for ${withinMs} ms` }), withinMs);
    const again = setInterval(ask, resendMs);
    socket.on('error', (error) => end(failed(error)));
    socket.on('message', (text) => end(answered(String(text))));
    // only a connected socket is told that nobody listens
    const open = () => socket.connect(port, address, (error?: Error) => (error ? end(failed(error)) : ask()));
    if (from === undefined) open();
    else socket.bind(0, from, open);
  });
}

function answered(text: string): ProbeResult {
  const [by = '', client = ''] = text.split(' ');
  return { outcome: 'answered', by, client };
}

function failed(error: Error): ProbeResult {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return { outcome: 'refused' };
  // what the node's "administratively prohibited" becomes for IPv4, and for IPv6
  if (code === 'EHOSTUNREACH' || code === 'EACCES') return { outcome: 'blocked' };
  return { outcome: 'silent', detail: error.message };
}

function hold(key: string, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port }, resolve);
    socket.once('error', reject);
    socket.setNoDelay(true);
    held.set(key, socket);
  });
}

function say(key: string, withinMs: number): Promise<HeldState> {
  const socket = held.get(key);
  if (socket === undefined) throw new Error(`no connection is called ${key}`);
  if (socket.destroyed || !socket.writable) return Promise.resolve('broken');
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('broken'), withinMs);
    socket.once('data', () => {
      clearTimeout(timer);
      resolve('alive');
    });
    socket.write(question);
  });
}
