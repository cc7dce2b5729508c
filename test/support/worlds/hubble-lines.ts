import { protocolNumber } from '../../../controller/model/protocol.ts';
import type { Site, TrafficEvent } from './traffic.ts';

/**
 * The event as Hubble's export files tell it: a trace from each node that has one of the pods, the reply as the
 * client's node sees it, two records for a denied attempt.
 */
export function hubbleLines(event: TrafficEvent): string[] {
  const { client, server, verdict, answered } = event;
  if (verdict === 'denied') return deniedLines(event);
  const lines: string[] = [];
  if (client.kind === 'pod') lines.push(record(event, client.life.node.name, 'TO_STACK', false));
  if (server.kind === 'pod') lines.push(record(event, server.life.node.name, 'TO_ENDPOINT', false));
  if (answered && client.kind === 'pod') lines.push(record(event, client.life.node.name, 'TO_ENDPOINT', true));
  return lines;
}

function record(
  event: TrafficEvent,
  nodeName: string,
  trace_observation_point: 'TO_STACK' | 'TO_ENDPOINT',
  reply: boolean,
): string {
  const [from, to] = reply ? [event.server, event.client] : [event.client, event.server];
  const time = new Date(event.timeMs + (reply ? 1 : 0)).toISOString();
  const flow = {
    time,
    verdict: 'FORWARDED',
    IP: addresses(from, to),
    l4: layer4(event, reply),
    source: endpoint(from, nodeName),
    destination: endpoint(to, nodeName),
    Type: 'L3_L4',
    node_name: nodeName,
    event_type: trace_observation_point === 'TO_STACK' ? { type: 4, sub_type: 3 } : { type: 4 },
    traffic_direction: (trace_observation_point === 'TO_STACK') !== reply ? 'EGRESS' : 'INGRESS',
    trace_observation_point,
    is_reply: reply,
  };
  return JSON.stringify({ flow, node_name: nodeName, time });
}

function deniedLines(event: TrafficEvent): string[] {
  const { client, server } = event;
  const reporter = server.kind === 'pod' ? server.life.node : client.kind === 'pod' ? client.life.node : undefined;
  const node_name = reporter?.name ?? '';
  const time = new Date(event.timeMs).toISOString();
  return [5, 1].map((type) => {
    const flow = {
      time,
      verdict: 'DROPPED',
      drop_reason: 133,
      IP: addresses(client, server),
      l4: layer4(event, false),
      source: endpoint(client, node_name),
      destination: endpoint(server, node_name),
      Type: 'L3_L4',
      node_name,
      event_type: { type, ...(type === 1 ? { sub_type: 133 } : {}) },
      traffic_direction: server.kind === 'pod' ? 'INGRESS' : 'EGRESS',
      drop_reason_desc: 'POLICY_DENIED',
    };
    return JSON.stringify({ flow, node_name, time });
  });
}

function addresses(from: Site, to: Site) {
  return { source: from.ip, destination: to.ip, ipVersion: from.ip.includes(':') ? 'IPv6' : 'IPv4' };
}

function layer4({ protocol, clientPort, port }: TrafficEvent, reply: boolean) {
  const ports = reply
    ? { source_port: port, destination_port: clientPort }
    : { source_port: clientPort, destination_port: port };
  const flags = reply ? { SYN: true, ACK: true } : { SYN: true };
  return { [protocol]: protocolNumber[protocol] === protocolNumber.TCP ? { ...ports, flags } : ports };
}

/** Labels as Cilium's identities carry them: without what its default label filter takes out. */
const filtered = /(?:hash|job-name|controller-uid|pod-name|pod-index|generation)$/;

function endpoint(site: Site, nodeName: string): object {
  switch (site.kind) {
    case 'pod': {
      const { life } = site;
      const { namespace, kind, name } = life.workload;
      const host = life.node.name === nodeName;
      if (life.workload.hostNetwork) return hostEndpoint(host);
      const own = Object.entries(life.labels).filter(([key]) => !filtered.test(key));
      const local = host ? { ID: 1 + (life.startMs % 4000), workloads: [{ name, kind }] } : {};
      return {
        ...local,
        identity: 1000 + (name.length % 50),
        namespace,
        labels: [...own.map(([key, value]) => `k8s:${key}=${value}`), `k8s:io.kubernetes.pod.namespace=${namespace}`],
        pod_name: life.name,
      };
    }
    case 'node':
      return hostEndpoint(site.node.name === nodeName);
    case 'apiserver':
      return { identity: 7, labels: ['reserved:kube-apiserver', 'reserved:remote-node'] };
    case 'external':
      return { identity: 2, labels: ['reserved:world'] };
  }
}

function hostEndpoint(local: boolean): object {
  return local ? { identity: 1, labels: ['reserved:host'] } : { identity: 6, labels: ['reserved:remote-node'] };
}
