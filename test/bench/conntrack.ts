import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { droppedOf } from '../support/conntrack-world.ts';
import { NetworkNode } from '../support/network-node.ts';
import type { Bench, Figure } from './measure.ts';

/** Whether to read from now on, and how many connections until it tells how long that took. */
export interface ToContestant {
  readonly read: boolean;
  readonly until?: number;
}

export interface FromContestant {
  readonly ready?: boolean;
  readonly paused?: boolean;
  readonly seconds?: number;
  /** Events that it says are lost, so far. */
  readonly lost: number;
}

const exec = promisify(execFile);
const program = fileURLToPath(new URL('conntrack-child.ts', import.meta.url));
const sender = fileURLToPath(new URL('../support/send-packets.ts', import.meta.url));
const burst = 15_000;
const rounds = 3;
const wide = 64 << 20;
const narrow = 1 << 20;

const client = { name: 'client', ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' };
const server = { name: 'server', ipv4: '10.244.1.20', ipv6: 'fd00:10:244:1::20' };
const node = { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' };

export const bench: Bench = {
  name: 'conntrack',
  title: `${burst.toLocaleString('en-US')} new connections in a burst, the agent on one core`,
  run: measured,
};

/** Sends bursts of connections that no round before had. */
class Burst {
  readonly #prefix: string;
  #port = 1_000;

  /** `prefix` of the names of namespaces. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** A datagram each, which nobody answers. */
  async send(connections: number): Promise<void> {
    await exec('ip', this.#inside(client.name, 'udp', this.#port++, connections));
  }

  /** TCP, each with its handshake and its end. */
  async shakeHands(connections: number): Promise<void> {
    const port = this.#port;
    this.#port += 10;
    const inside = ['--pdeathsig', 'KILL', '--', 'ip', ...this.#inside(server.name, 'tcp-listen', port)];
    const listener = spawn('setpriv', inside, { stdio: ['pipe', 'pipe', 'inherit'] });
    const gone = once(listener, 'exit');
    try {
      await Promise.race([once(listener.stdout, 'data'), gone]);
      await exec('ip', this.#inside(client.name, 'tcp', port, connections));
    } finally {
      listener.stdin.end();
      await gone;
    }
  }

  #inside(host: string, what: string, port: number, count = 1): readonly string[] {
    const program = [process.execPath, sender, what, server.ipv4, String(port), String(count)];
    return ['netns', 'exec', `${this.#prefix}${host}`, ...program];
  }
}

class Contestant {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(which: 'agent' | 'bare', namespace: string, bufferBytes: number): Promise<Contestant> {
    const inside = ['ip', 'netns', 'exec', namespace, 'taskset', '-c', '0', process.execPath, program];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside, which, String(bufferBytes)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const contestant = new Contestant(child);
    await contestant.#heard(({ ready }) => ready);
    return contestant;
  }

  async pause(): Promise<void> {
    const paused = this.#heard((message) => message.paused);
    this.#tell({ read: false });
    await paused;
  }

  /** Seconds until it had so many connections since it was paused; `meanwhile` starts when it reads. */
  async read(until: number, meanwhile?: () => Promise<void>): Promise<number> {
    const done = this.#heard(({ seconds }) => seconds);
    this.#tell({ read: true, until });
    await meanwhile?.();
    return done;
  }

  /** What it says that it lost, and what the kernel says that it dropped. */
  async losses(): Promise<{ readonly told: number; readonly dropped: number }> {
    // counted every second at the latest
    await delay(1_500);
    const paused = this.#heard((message) => (message.paused ? message : undefined));
    this.#tell({ read: false });
    const { lost: told } = await paused;
    return { told, dropped: await droppedOf(this.#child.pid ?? 0) };
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #tell(message: ToContestant): void {
    this.#child.send(message);
  }

  #heard<Value>(wanted: (message: FromContestant) => Value | undefined): Promise<Value> {
    return new Promise((resolve, reject) => {
      const listen = (message: FromContestant) => {
        const value = wanted(message);
        if (value === undefined) return;
        this.#child.off('message', listen).off('exit', ended);
        resolve(value);
      };
      const ended = () => reject(new Error('a contestant ended'));
      this.#child.on('message', listen).once('exit', ended);
    });
  }
}

async function measured(): Promise<readonly Figure[]> {
  const lab = await NetworkNode.start({ node, pods: [client, server], outside: [], services: [] });
  try {
    const packets = new Burst(lab.namespace.slice(0, -node.name.length));
    const [bare, agent] = [await rates('bare', lab.namespace, packets), await rates('agent', lab.namespace, packets)];
    const datagrams = await live(lab.namespace, () => packets.send(burst));
    const handshakes = await live(lab.namespace, () => packets.shakeHands(burst));
    const flood = await flooded(lab.namespace, packets);
    const none = { baseline: undefined, bar: undefined };
    return [
      { ...none, what: 'bare recv loop', values: bare, unit: 'events/s' },
      { ...none, what: 'agent', values: agent, unit: 'events/s', baseline: 'bare recv loop' },
      {
        ...none,
        what: `lost of a burst of ${burst}`,
        values: datagrams.lost,
        unit: 'events',
        bar: { text: 'none', met: datagrams.lost.every((lost) => lost === 0) },
      },
      { ...none, what: 'TCP connections seen in a burst', values: handshakes.rates, unit: 'connections/s' },
      {
        ...none,
        what: `lost of a burst of ${burst} TCP connections`,
        values: handshakes.lost,
        unit: 'events',
        bar: { text: 'none', met: handshakes.lost.every((lost) => lost === 0) },
      },
      { ...none, what: 'dropped by the kernel in a flood', values: [flood.dropped], unit: 'events' },
      {
        ...none,
        what: 'told as lost in it',
        values: [flood.told],
        unit: 'events',
        baseline: 'dropped by the kernel in a flood',
        bar: { text: 'the same, not 0', met: flood.told === flood.dropped && flood.dropped > 0 },
      },
    ];
  } finally {
    await lab.stop();
  }
}

/** How fast a burst is read that waits in the kernel; the first round warms up. */
async function rates(which: 'agent' | 'bare', namespace: string, packets: Burst): Promise<readonly number[]> {
  const contestant = await Contestant.start(which, namespace, wide);
  const values: number[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      await contestant.pause();
      // one batch may be on its way to who was paused
      await packets.send(1);
      await delay(200);
      await packets.send(burst);
      const seconds = await contestant.read(burst + 1);
      if (round > 0) values.push(burst / seconds);
    }
  } finally {
    await contestant.stop();
  }
  return values;
}

/** Bursts that are read as they come: how fast, and events lost. */
async function live(
  namespace: string,
  send: () => Promise<void>,
): Promise<{ readonly rates: readonly number[]; readonly lost: readonly number[] }> {
  const values: { rates: number[]; lost: number[] } = { rates: [], lost: [] };
  for (let round = 0; round < rounds; round++) {
    const agent = await Contestant.start('agent', namespace, wide);
    try {
      await agent.pause();
      values.rates.push(burst / (await agent.read(burst, send)));
      const { told, dropped } = await agent.losses();
      values.lost.push(Math.max(told, dropped));
    } finally {
      await agent.stop();
    }
  }
  return values;
}

/** More than the kernel has room for, while nobody reads. */
async function flooded(namespace: string, packets: Burst) {
  const agent = await Contestant.start('agent', namespace, narrow);
  try {
    await agent.pause();
    await packets.send(1);
    await delay(200);
    await packets.send(burst);
    // what was dropped is found in the table
    await agent.read(burst + 1);
    return await agent.losses();
  } finally {
    await agent.stop();
  }
}
