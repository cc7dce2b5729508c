import { type Flow, type FlowPeer, unnamedPeer } from '../../../controller/model/flow.ts';
import { protocolNumber } from '../../../controller/model/protocol.ts';
import type { Site, TrafficEvent } from './traffic.ts';

/**
 * The event as flow values, without a detour by text: `named` as a source tells it that knows pods, else addresses
 * only. A second report of the same connection, from the other node, follows where there is one.
 */
export function flowValues(event: TrafficEvent, named: boolean): Flow[] {
  if (event.verdict === 'denied' && !named) return [];
  const flow: Flow = {
    timeMs: event.timeMs,
    endMs: event.timeMs,
    client: peerOf(event.client, named),
    server: peerOf(event.server, named),
    clientPort: event.clientPort,
    port: event.port,
    addressed: event.addressed,
    protocol: protocolNumber[event.protocol],
    directed: true,
    verdict: event.verdict === 'denied' ? 'denied' : named ? 'allowed' : 'none',
    answered: named && event.verdict === 'denied' ? undefined : event.answered,
    connections: 1,
    bytes: 0,
    source: named ? 'hubble' : 'conntrack',
    node: nodeName(event.client),
  };
  const other = nodeName(event.server);
  return other === '' || other === flow.node ? [flow] : [flow, { ...flow, node: other }];
}

function peerOf(site: Site, named: boolean): FlowPeer {
  const peer = { ...unnamedPeer, ip: site.ip };
  if (!named) return peer;
  switch (site.kind) {
    case 'pod': {
      const { workload: one, name, labels } = site.life;
      if (one.hostNetwork) return { ...peer, reserved: 'remote-node' };
      const sent = Object.entries(labels).map(([key, value]) => `k8s:${key}=${value}`);
      return { ...peer, namespace: one.namespace, pod: name, labels: sent };
    }
    case 'node':
      return { ...peer, reserved: 'remote-node' };
    case 'apiserver':
      return { ...peer, reserved: 'kube-apiserver' };
    case 'external':
      return { ...peer, reserved: 'world' };
  }
}

function nodeName(site: Site): string {
  switch (site.kind) {
    case 'pod':
      return site.life.node.name;
    case 'node':
    case 'apiserver':
      return site.node.name;
    case 'external':
      return '';
  }
}
