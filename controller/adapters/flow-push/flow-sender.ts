import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Clock } from '../../ports.ts';
import { encodeFlow, encodeLoss, encodeObserved } from '../flow-file/nanoseg-line.ts';
import type { SenderAddress } from './sender-address.ts';
import { SenderBacklog } from './sender-backlog.ts';
import { type SenderCredentials, SenderRequests } from './sender-request.ts';
import { SenderTarget } from './sender-target.ts';

export interface FlowSenderOptions {
  readonly addresses: readonly SenderAddress[];
  readonly credentials: SenderCredentials;
  /** The node that the flows are from; losses of our own are reported for it. */
  readonly node: string;
  /** Unlike that of any other process, and the same as long as this one lasts. */
  readonly producer: string;
  readonly clock: Clock;
  readonly random: () => number;
  /** Something that a person should know went wrong, or is well again. */
  readonly report: (event: SenderEvent) => void;
  /** What is not delivered yet is kept up to so many bytes, compressed. @default 32 MiB */
  readonly mostBytes?: number;
  /** Names are resolved anew so often. @default 30000 */
  readonly resolveMs?: number;
  /** @default that of the system */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export type SenderEvent =
  | { readonly kind: 'failing' | 'unusable'; readonly target: string; readonly message: string }
  | { readonly kind: 'well'; readonly target: string }
  | { readonly kind: 'rejected'; readonly target: string; readonly lines: number; readonly message: string };

export interface SenderFigures {
  /** Waiting, compressed. */
  readonly bytes: number;
  readonly batches: number;
  readonly delivered: number;
  /** Batches that were dropped before everybody had them. */
  readonly dropped: number;
  readonly rejectedLines: number;
}

/** Lines of one request; the receiving side takes more. */
const mostLines = 5_000;
/** A name may be without an address for a while: a controller that starts anew has another, and wants what it missed. */
const forgottenMs = 300_000;

interface KnownTarget {
  readonly address: SenderAddress;
  readonly target: SenderTarget;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Since when its name does not lead to it any more. */
  goneMs: number | undefined;
}

/**
 * Delivers flows to every address that the names of controllers have, each at its own pace, until it has acknowledged
 * them. What cannot be delivered waits, bounded; of what is too much, the oldest is dropped and told as loss.
 */
export class FlowSender {
  readonly #options: FlowSenderOptions;
  readonly #backlog: SenderBacklog;
  readonly #targets = new Map<string, KnownTarget>();
  #failures = new Map<string, string>();
  #delivered = 0;
  #rejectedLines = 0;

  constructor(options: FlowSenderOptions) {
    this.#options = options;
    this.#backlog = new SenderBacklog(options.mostBytes ?? 32 << 20);
  }

  get figures(): SenderFigures {
    const { bytes, dropped, latest, released } = this.#backlog;
    const batches = latest.sequence - released.sequence;
    return { bytes, batches, delivered: this.#delivered, dropped, rejectedLines: this.#rejectedLines };
  }

  /** Targets and names that fail now, with the reason. */
  get failures(): readonly { readonly target: string; readonly message: string }[] {
    const targets = this.#current().flatMap(({ name, failure }) =>
      failure === undefined ? [] : [{ target: name, message: failure }],
    );
    return [...targets, ...Array.from(this.#failures, ([target, message]) => ({ target, message }))];
  }

  /** Whether this is where somebody that flows are delivered to is reached. */
  isTarget(ip: string, port: number): boolean {
    return this.#targets.has(targetKey(ip, port));
  }

  /** Takes flows, losses and what was observed for everybody; never waits. */
  offer(flows: readonly Flow[], losses: readonly FlowLoss[], observed: readonly ObservedTime[] = []): void {
    for (let from = 0; from === 0 || from < flows.length; from += mostLines) {
      const part = flows.slice(from, from + mostLines);
      const said = from === 0 ? losses : [];
      const alive = from === 0 ? observed.map(encodeObserved) : [];
      const lines = [...said.map(encodeLoss), ...part.map(encodeFlow)];
      if (lines.length + alive.length === 0) return;
      const events = said.reduce((sum, loss) => sum + (loss.kind === 'lost' ? (loss.events ?? 1) : 1), part.length);
      this.#backlog.add({ body: compressed(lines), alive: compressed(alive), events });
    }
    for (const { target } of this.#targets.values()) target.wake();
  }

  /** Delivers until aborted. Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, resolveMs = 30_000 } = this.#options;
    const bug = Promise.withResolvers<never>();
    bug.promise.catch(() => undefined);
    const stop = new AbortController();
    const running = AbortSignal.any([signal, stop.signal]);
    try {
      while (!signal.aborted) {
        await Promise.all(this.#options.addresses.map((address) => this.#find(address, running, bug.reject)));
        this.#forget();
        const pause = clock.sleep(resolveMs, running).catch(() => undefined);
        await Promise.race([pause, bug.promise]);
      }
    } finally {
      stop.abort();
      await Promise.all(Array.from(this.#targets.values(), ({ ended }) => ended));
    }
  }

  /** Resolves when everybody has everything, or `signal` aborts. */
  async delivered(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (const { target } of this.#targets.values()) target.hurry();
    while (!signal.aborted && this.#isOwed()) await clock.sleep(20, signal).catch(() => undefined);
  }

  /** Whether somebody lacks something; somebody whose name is not resolved yet does. */
  #isOwed(): boolean {
    const targets = this.#current();
    if (targets.length === 0) return this.#backlog.latest.sequence > this.#backlog.released.sequence;
    return targets.some((target) => this.#backlog.after(target.position) !== undefined);
  }

  #current(): SenderTarget[] {
    return [...this.#targets.values()].filter(({ goneMs }) => goneMs === undefined).map(({ target }) => target);
  }

  async #find(address: SenderAddress, signal: AbortSignal, fail: (bug: unknown) => void): Promise<void> {
    if (address.kind === 'socket') return this.#reach([[address.text, undefined]], address, signal, fail);
    const { host, port, text } = address;
    try {
      const ips = isIP(host) === 0 ? await (this.#options.resolve ?? systemResolve)(host) : [host];
      this.#failures.delete(text);
      this.#reach(
        [...new Set(ips)].map((ip) => [targetKey(ip, port), ip]),
        address,
        signal,
        fail,
      );
    } catch (error) {
      const message = `the name ${host} cannot be resolved: ${error instanceof Error ? error.message : String(error)}`;
      if (!this.#failures.has(text)) this.#options.report({ kind: 'failing', target: text, message });
      this.#failures.set(text, message);
    }
  }

  /** These are all targets of the address now. */
  #reach(
    found: readonly (readonly [key: string, ip: string | undefined])[],
    address: SenderAddress,
    signal: AbortSignal,
    fail: (bug: unknown) => void,
  ): void {
    const keys = new Set(found.map(([key]) => key));
    for (const [key, known] of this.#targets) {
      if (known.address !== address) continue;
      if (keys.has(key)) known.goneMs = undefined;
      else known.goneMs ??= this.#options.clock.now();
    }
    for (const [key, ip] of found) {
      if (this.#targets.has(key)) continue;
      const name =
        ip === undefined || (address.kind !== 'socket' && ip === address.host) ? address.text : `${address.text} ${ip}`;
      const stop = new AbortController();
      const target = this.#target(name, address, ip);
      const ended = target.run(AbortSignal.any([signal, stop.signal])).catch(fail);
      this.#targets.set(key, { address, target, stop, ended, goneMs: undefined });
    }
  }

  #target(name: string, address: SenderAddress, ip: string | undefined): SenderTarget {
    const { credentials, producer, clock, random, report, node } = this.#options;
    let failing = false;
    const target: SenderTarget = new SenderTarget(
      {
        name,
        requests: new SenderRequests(address, ip, credentials),
        backlog: this.#backlog,
        producer,
        clock,
        random,
        lossBody: (events) =>
          zipped([encodeLoss({ timeMs: clock.now(), source: 'conntrack', node, events, kind: 'lost' })]),
        onChange: (result) => {
          if (result.kind === 'saved') {
            this.#delivered++;
            this.#rejectedLines += result.rejected;
            if (failing) report({ kind: 'well', target: name });
            if (result.rejected > 0) {
              report({ kind: 'rejected', target: name, lines: result.rejected, message: result.reason });
            }
          } else if (result.kind === 'unusable' || !failing) {
            report({ kind: result.kind === 'failed' ? 'failing' : 'unusable', target: name, message: result.message });
          }
          failing = result.kind === 'failed';
          this.#release();
        },
      },
      this.#backlog.released,
    );
    return target;
  }

  /** What everybody has is not needed any more; who is gone for a while may come back as another. */
  #release(): void {
    const positions = Array.from(this.#targets.values(), ({ target }) => target.position);
    const [first, ...others] = positions;
    if (first === undefined) return;
    this.#backlog.release(
      others.reduce((least, position) => (position.sequence < least.sequence ? position : least), first),
    );
  }

  #forget(): void {
    const beforeMs = this.#options.clock.now() - forgottenMs;
    for (const [key, { goneMs, stop }] of this.#targets) {
      if (goneMs === undefined || goneMs > beforeMs) continue;
      stop.abort();
      this.#targets.delete(key);
    }
    this.#release();
  }
}

function targetKey(ip: string, port: number): string {
  return `${ip} ${port}`;
}

function compressed(lines: readonly string[]): Uint8Array | undefined {
  return lines.length === 0 ? undefined : zipped(lines);
}

function zipped(lines: readonly string[]): Uint8Array {
  return gzipSync(`${lines.join('\n')}\n`, { level: 1 });
}

async function systemResolve(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
