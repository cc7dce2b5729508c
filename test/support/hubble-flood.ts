import { serveFlood } from './grpc-flood.ts';
import { encodeHubble } from './hubble-encoding.ts';
import type { HubbleRecord } from './hubble-server.ts';

/**
 * A process that answers every call with so many flows, as fast as they are taken. Tells its port on standard output; ends
 * with standard input.
 */
const count = Number(process.argv[2]);
const distinct = 4000;
const workloads = 300;
const startMs = Date.UTC(2026, 0, 5);

const service = (i: number) => `service-${i.toString().padStart(3, '0')}`;

function endpoint(i: number, replica: number, isLocal: boolean): HubbleRecord {
  const namespace = `team-${i % 10}`;
  const labels = [
    `k8s:app.kubernetes.io/name=${service(i)}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
  ];
  const pod_name = `${service(i)}-6d8f7c9b5d-x${replica}k${i.toString(36)}q`;
  const pod = { identity: 20_000 + i, cluster_name: 'default', namespace, labels, pod_name };
  return isLocal ? { ID: 100 + i, ...pod, workloads: [{ name: service(i), kind: 'Deployment' }] } : pod;
}

/** First packets at the server's node, answers at the client's, look-ups of names, a few drops by policy. */
function record(n: number): HubbleRecord {
  const client = (n * 7) % workloads;
  const server = (client + 1 + ((n * 13) % 8)) % workloads;
  const [from, to] = [n % 3, (n >> 2) % 3];
  const isUdp = n % 10 === 3;
  const isDropped = n % 100 === 50;
  const time = new Date(startMs + n * 20).toISOString().replace('Z', '123456Z');
  const node_name = `default/worker-${(server + to) % 12}`;
  const ports = {
    source_port: 32_768 + ((n * 31) % 28_000),
    destination_port: isUdp ? 53 : 8000 + (server % 5),
  };
  const address = (i: number, replica: number) => `10.244.${i & 0xff}.${(i >> 8) * 64 + replica + 2}`;
  const flow = {
    time,
    uuid: `7c1e5f0a-0b1d-4a52-9b7e-${n.toString(16).padStart(12, '0')}`,
    verdict: isDropped ? 'DROPPED' : 'FORWARDED',
    ...(isDropped && { drop_reason: 133, drop_reason_desc: 'POLICY_DENIED' }),
    IP: { source: address(client, from), destination: address(server, to), ipVersion: 'IPv4' },
    l4: isUdp ? { UDP: ports } : { TCP: { ...ports, flags: { SYN: true } } },
    source: endpoint(client, from, false),
    destination: endpoint(server, to, true),
    Type: 'L3_L4',
    node_name,
    event_type: { type: isDropped ? 1 : 4 },
    traffic_direction: 'INGRESS',
    ...(!isDropped && {
      trace_observation_point: 'TO_ENDPOINT',
      trace_reason: 'NEW',
      is_reply: false,
      interface: { index: 42, name: 'lxc8f2b1c9d0e3a' },
    }),
    Summary: isUdp ? 'UDP' : 'TCP Flags: SYN',
  };
  return { flow, node_name, time };
}

const messages = Array.from({ length: distinct }, (_, n) => encodeHubble('GetFlowsResponse', record(n)));
process.stdout.write(`${await serveFlood(messages, count)}\n`);
process.stdin.resume().once('end', () => process.exit(0));
