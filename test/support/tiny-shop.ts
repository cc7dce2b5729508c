import { encodeFlow } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import { type Flow, type FlowPeer, unnamedPeer } from '../../controller/model/flow.ts';
import { flow } from './flows.ts';

/** A Deployment whose pods carry `app: <name>`. */
export function deployment(namespace: string, name: string, serviceAccountName?: string): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { namespace: ${namespace}, name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      ${serviceAccountName === undefined ? '' : `serviceAccountName: ${serviceAccountName}`}
      containers: [{ name: main, image: main }]
---
`;
}

export const tinyShop = ['web', 'cart', 'db'].map((name) => deployment('shop', name)).join('');

const startMs = Date.UTC(2026, 10, 1, 10);

function peer(text: string): FlowPeer {
  const [namespace, name] = text.split('/');
  if (name === undefined) return { ...unnamedPeer, ip: text, reserved: 'world' };
  return { ...unnamedPeer, namespace, pod: `${name}-6d5f7-abcde`, labels: [`app=${name}`] };
}

/** One flow of nanoseg's own format: `shop/web > shop/cart 8080`, in the given minute of the recording. */
export function flowLine(text: string, minute = 0, facts: Partial<Flow> = {}): string {
  const [client = '', , server = '', port = '0'] = text.split(' ');
  const ends = { client: peer(client), server: peer(server) };
  const times = { timeMs: startMs + minute * 60_000, clientPort: 40_000 + minute };
  return `${encodeFlow(flow({ ...ends, ...times, port: Number(port), node: '', ...facts }))}\n`;
}
