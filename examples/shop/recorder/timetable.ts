import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';
import { HostedProcess } from './hosted-process.ts';
import { type LabNode, loadBalancerAddresses, nodes } from './lab.ts';
import type { Workload, World } from './manifests.ts';
import { uidOf } from './names.ts';
import { replicaOf, runOf, type ShopPod } from './pods.ts';
import { deniedAttempt, outsideHosts, scan, visitorAddresses } from './traffic.ts';

const minuteMs = 60_000;
/** How long a run of the CronJob takes, without its end. */
const jobMs = 11_000;
/** Runs with fewer replicas at first, and is scaled up when the addresses of the old cart pods are free again. */
const scaledUp = { workload: 'shop/storefront', from: 2 };

/** Milliseconds to wait so that a full minute, and with it the CronJob's run, comes 30 s after the start. */
export function startDelayMs(nowMs: number): number {
  return (minuteMs + 30_000 - (nowMs % minuteMs)) % minuteMs;
}

/** What happens during the recording, from the first pod to the last second. */
export class Timetable {
  readonly #world: World;
  readonly #fleet: Fleet;
  readonly #say: (line: string) => void;
  #placed = 0;

  constructor(world: World, fleet: Fleet, say: (line: string) => void) {
    this.#world = world;
    this.#fleet = fleet;
    this.#say = say;
  }

  async play(endMs: number): Promise<void> {
    await this.#startOutsideHosts();
    await this.#startWorkloads();
    const visitors = this.#openToVisitors();
    await this.#runJob(endMs);
    await sleep(3_000);
    await this.#rollOut(this.#workload('shop/cart'));
    await sleep(2_500);
    const storefront = this.#workload(scaledUp.workload);
    for (let i = scaledUp.from; i < storefront.replicas; i++)
      await this.#fleet.start(replicaOf(storefront, i, 1), this.#nextNode());
    await this.#denied();
    await this.#scan();
    await sleep(7_000);
    await this.#scan();
    if (endMs - this.#untilFullMinute(Date.now()).atMs > jobMs + 5_000) await this.#runJob(endMs);
    await sleep(Math.max(0, endMs - Date.now() - 3_000));
    await visitors.stop();
    await sleep(Math.max(0, endMs - Date.now()));
  }

  #workload(key: string): Workload {
    const workload = this.#world.workloads.get(key);
    if (!workload) throw new Error(`${key} is not among the manifests`);
    return workload;
  }

  #nextNode(): LabNode {
    return nodes[this.#placed++ % nodes.length] as LabNode;
  }

  /** In the order of the manifests, DNS first; each a little later than the one before, as a cluster does it. */
  async #startWorkloads(): Promise<void> {
    for (const workload of this.#world.workloads.values()) {
      const { kind, namespace, name, replicas } = workload;
      this.#say(`starting ${namespace}/${name}`);
      if (kind === 'DaemonSet') {
        for (const [i, node] of nodes.entries()) await this.#fleet.start(replicaOf(workload, i, 1), node);
      } else if (kind !== 'CronJob') {
        const count = `${namespace}/${name}` === scaledUp.workload ? scaledUp.from : replicas;
        for (let i = 0; i < count; i++) await this.#fleet.start(replicaOf(workload, i, 1), this.#nextNode());
      }
      if (name === 'coredns') await sleep(2_000);
    }
  }

  async #startOutsideHosts(): Promise<void> {
    const outside = new HostedProcess('outside', () => undefined);
    await outside.ask({ listen: Object.values(outsideHosts).map(({ port }) => ({ protocol: 'TCP', port })) }, 'ready');
  }

  #openToVisitors(): HostedProcess {
    const visitors = new HostedProcess('visitors', (line) => this.#say(`visitor failed: ${line}`));
    const [balancer4, balancer6] = loadBalancerAddresses;
    const calls = visitorAddresses.map((from, i) => {
      const family = from.includes(':') ? (6 as const) : (4 as const);
      const to = family === 4 ? balancer4 : balancer6;
      return { key: from, protocol: 'TCP' as const, to, port: i % 4 === 0 ? 80 : 443, family, everyMs: 14_000, from };
    });
    visitors.send({ calls });
    return visitors;
  }

  #untilFullMinute(nowMs: number): { readonly atMs: number; readonly waitMs: number } {
    const waitMs = minuteMs - (nowMs % minuteMs);
    return { atMs: nowMs + waitMs, waitMs };
  }

  async #runJob(endMs: number): Promise<void> {
    const { atMs, waitMs } = this.#untilFullMinute(Date.now());
    if (atMs > endMs) return;
    await sleep(waitMs);
    const minute = Math.round(atMs / minuteMs);
    const workload = this.#workload('shop/stock-sync');
    this.#say(`running shop/stock-sync-${minute}`);
    const run = runOf(workload, minute, uidOf(`shop/stock-sync-${minute}`));
    const pod = await this.#fleet.start(run, nodes[0]);
    await sleep(jobMs);
    await this.#fleet.end(pod, { deleted: false });
  }

  /** One new pod, then one old pod less, until all are new. */
  async #rollOut(workload: Workload): Promise<void> {
    this.#say(`rolling out ${workload.namespace}/${workload.name}`);
    const old = this.#podsOf(workload);
    for (const [i, pod] of old.entries()) {
      await this.#fleet.start(replicaOf(workload, i, 2), pod.node);
      await sleep(1_000);
      await this.#fleet.end(pod, { deleted: true });
    }
  }

  /** Three tries, with a name that resolves, at a port that a hand-written policy keeps for others. */
  async #denied(): Promise<void> {
    this.#say('trying what a policy denies');
    const [pod] = this.#podsOf(this.#workload(deniedAttempt.by));
    for (let i = 0; pod && i < 3; i++) {
      await this.#fleet.once(pod, [deniedAttempt.call]);
      await sleep(deniedAttempt.call.everyMs);
    }
  }

  /** The last replica tries ports of its neighbours, and the API server. */
  async #scan(): Promise<void> {
    this.#say('scanning from one replica');
    const scanner = this.#podsOf(this.#workload('shop/recommendations')).at(-1);
    if (!scanner) return;
    const call = (to: string, port: number) => ({ protocol: 'TCP' as const, to, port, family: 4 as const, everyMs: 0 });
    const targets = scan.victims.flatMap((key) => this.#podsOf(this.#workload(key)).slice(0, 1));
    await this.#fleet.once(scanner, [
      ...targets.flatMap(({ ipv4 }) => scan.ports.map((port) => call(ipv4, port))),
      call('10.96.0.1', 443),
    ]);
  }

  #podsOf({ namespace, name }: Workload): ShopPod[] {
    return this.#fleet.pods.filter((pod) => pod.workload === `${namespace}/${name}` && pod.ready);
  }
}
