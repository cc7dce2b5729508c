import { HostedProcess } from './hosted-process.ts';
import { apiServerPort, attachPod, detachPod, type LabNode, loadRules, nodes } from './lab.ts';
import { containerPorts, matches, portNumber, type World } from './manifests.ts';
import { nodeRules } from './node-rules.ts';
import type { Call } from './pod-process.ts';
import type { PodIdentity, ShopPod } from './pods.ts';
import { type Habit, habits, outsideHosts } from './traffic.ts';

const nameServer = '10.96.0.10';
/** The first address of a node's range that pods get; those below belong to the node. */
const firstPodHost = 10;
const probeEveryMs = 10_000;
const scrapeEveryMs = 8_000;
/** Between a pod's last call and its end, so that its end in whole seconds is later than its traffic. */
const graceMs = 2_500;

/** All pods of the recording with their processes, and what a cluster would keep up to date around them. */
export class Fleet {
  readonly pods: ShopPod[] = [];
  readonly #world: World;
  readonly #processes = new Map<ShopPod, HostedProcess>();
  readonly #kubelets = new Map<LabNode, HostedProcess>();
  readonly #onFailure: (who: string, line: string) => void;

  constructor(world: World, onFailure: (who: string, line: string) => void) {
    this.#world = world;
    this.#onFailure = onFailure;
  }

  get #running(): readonly ShopPod[] {
    return this.pods.filter(({ endMs }) => endMs === undefined);
  }

  /** Starts what runs on nodes themselves: the API server on the first one, and each node's kubelet. */
  async startNodes(): Promise<void> {
    this.#publishRules();
    const [first] = nodes;
    const apiServer = new HostedProcess(first.name, () => undefined);
    await apiServer.ask({ listen: [{ protocol: 'TCP', port: apiServerPort }] }, 'ready');
    for (const node of nodes) {
      const kubelet = new HostedProcess(node.name, (line) => this.#onFailure(`kubelet ${node.name}`, line));
      this.#kubelets.set(node, kubelet);
      await kubelet.ask({ hold: { to: first.ipv4, port: apiServerPort } }, 'holding');
    }
  }

  /** Gives the pod the lowest free address of its node, starts its process, and puts it behind its Services. */
  async start(identity: PodIdentity, node: LabNode): Promise<ShopPod> {
    const host = this.#freeHost(node);
    const pod: ShopPod = {
      ...identity,
      node,
      ipv4: identity.hostNetwork ? node.ipv4 : `${node.pods4}.${host}`,
      ipv6: identity.hostNetwork ? node.ipv6 : `${node.pods6}::${host.toString(16)}`,
      startMs: Date.now(),
      ready: false,
      readyMs: undefined,
      endMs: undefined,
      deletedMs: undefined,
    };
    this.pods.push(pod);
    if (!pod.hostNetwork) attachPod(pod.name, node, pod.ipv4, pod.ipv6);
    const namespace = pod.hostNetwork ? node.name : pod.name;
    const process = new HostedProcess(namespace, (line) => this.#onFailure(pod.name, line));
    this.#processes.set(pod, process);
    const listen = containerPorts(pod.template).map(({ protocol, containerPort }) => ({
      protocol,
      port: containerPort,
    }));
    await process.ask({ listen }, 'ready');
    pod.ready = true;
    pod.readyMs = Date.now();
    this.#publish();
    process.send({ calls: callsOf(pod, habits[pod.workload] ?? []), nameServer });
    return pod;
  }

  /** Makes these calls from the pod, one after the other. */
  async once(pod: ShopPod, calls: readonly Habit[]): Promise<void> {
    await this.#processes.get(pod)?.ask({ once: callsOf(pod, calls) }, 'done');
  }

  /** Ends a pod: no more calls to it or by it, then its process, then its address is free. */
  async end(pod: ShopPod, { deleted }: { readonly deleted: boolean }): Promise<void> {
    if (deleted) pod.deletedMs = Date.now();
    const process = this.#processes.get(pod);
    pod.ready = false;
    this.#publish();
    process?.send({ calls: [] });
    await new Promise((resolve) => setTimeout(resolve, graceMs));
    await process?.stop();
    this.#processes.delete(pod);
    detachPod(pod.name, pod.node, pod.ipv4);
    pod.endMs = Date.now();
  }

  #freeHost(node: LabNode): number {
    const taken = new Set(this.#running.filter((pod) => pod.node === node).map(({ ipv4 }) => ipv4));
    for (let host = firstPodHost; host < 255; host++) if (!taken.has(`${node.pods4}.${host}`)) return host;
    throw new Error(`${node.name} has no free pod address`);
  }

  #publishRules(): void {
    for (const node of nodes) loadRules(node, nodeRules(node, this.#world, this.#running, nodes[0].ipv4));
  }

  #publish(): void {
    this.#publishRules();
    const ready = this.#running.filter((pod) => pod.ready);
    const records = dnsRecords(this.#world, ready);
    for (const pod of ready) {
      const process = this.#processes.get(pod);
      if (pod.workload === 'kube-system/coredns') process?.send({ records });
      if (pod.workload === 'monitoring/metrics-scraper') {
        process?.send({ calls: [...callsOf(pod, habits[pod.workload] ?? []), ...scrapes(ready)], nameServer });
      }
    }
    for (const [node, kubelet] of this.#kubelets) {
      kubelet.send({ calls: probes(ready.filter((pod) => pod.node === node && !pod.hostNetwork)) });
    }
  }
}

function callsOf(pod: ShopPod, calls: readonly Habit[]): Call[] {
  return calls
    .map((call, i) => ({ ...call, key: `${pod.name} ${i}` }))
    .filter(({ to }) => !to.startsWith(`${pod.name}.`));
}

function probes(pods: readonly ShopPod[]): Call[] {
  return pods.flatMap((pod) =>
    pod.template.spec.containers.flatMap(({ readinessProbe }) =>
      readinessProbe === undefined
        ? []
        : [probeCall(`probe ${pod.name}`, pod.ipv4, portNumber(readinessProbe.tcpSocket.port, pod.template))],
    ),
  );
}

function scrapes(pods: readonly ShopPod[]): Call[] {
  return pods.flatMap((pod) => {
    const port = pod.template.metadata.annotations?.['prometheus.io/port'];
    return port === undefined
      ? []
      : [{ ...probeCall(`scrape ${pod.name}`, pod.ipv4, Number(port)), everyMs: scrapeEveryMs }];
  });
}

function probeCall(key: string, to: string, port: number): Call {
  return { key, protocol: 'TCP', to, port, family: 4, everyMs: probeEveryMs };
}

/** What cluster DNS knows: Services by their addresses, headless ones by their pods, and the hosts outside. */
function dnsRecords(world: World, ready: readonly ShopPod[]): Record<string, readonly string[]> {
  const records: Record<string, readonly string[]> = {};
  for (const { metadata, spec } of world.services) {
    const name = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
    const { selector } = spec;
    if (selector === undefined || !spec.clusterIPs.includes('None')) {
      records[name] = spec.clusterIPs;
      continue;
    }
    const pods = ready.filter((pod) => pod.namespace === metadata.namespace && matches(selector, pod.labels));
    records[name] = pods.map(({ ipv4 }) => ipv4);
    for (const pod of pods) records[`${pod.name}.${name}`] = [pod.ipv4];
  }
  for (const [name, { address }] of Object.entries(outsideHosts)) records[name] = [address];
  return records;
}
