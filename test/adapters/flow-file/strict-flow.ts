import { isIP } from 'node:net';
import {
  type Flow,
  type FlowLoss,
  type FlowPeer,
  flowSourceKinds,
  unnamedPeer,
} from '../../../controller/model/flow.ts';

const latestMs = Date.UTC(2200, 0, 1);
const verdicts = ['allowed', 'denied', 'audited', 'none'];
const reserved = ['host', 'remote-node', 'kube-apiserver', 'ingress', 'health', 'world', 'unmanaged'];
const flowKeys = [
  'timeMs',
  'endMs',
  'client',
  'server',
  'clientPort',
  'port',
  'addressed',
  'protocol',
  'directed',
  'verdict',
  'answered',
  'connections',
  'bytes',
  'source',
  'node',
];

/** Everything in which a flow is not what model/flow.ts says of it; empty when it is right. */
export function flowFaults(flow: Flow): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) faults.push(what);
  };
  const { translatedClient, serverNode, ...always } = flow;
  expect(sameKeys(always, flowKeys), 'keys');
  expect(translatedClient === undefined || isAddress(translatedClient), 'translatedClient');
  expect(serverNode === undefined || serverNode !== '', 'serverNode');
  expect(isTime(flow.timeMs), 'timeMs');
  expect(isTime(flow.endMs) && flow.endMs >= flow.timeMs, 'endMs');
  expect(isInteger(flow.clientPort, 65535), 'clientPort');
  expect(isInteger(flow.port, 65535), 'port');
  expect(isInteger(flow.protocol, 255), 'protocol');
  expect(typeof flow.directed === 'boolean', 'directed');
  expect(verdicts.includes(flow.verdict), 'verdict');
  expect([true, false, undefined].includes(flow.answered), 'answered');
  expect(Number.isInteger(flow.connections) && flow.connections >= 0, 'connections');
  expect(Number.isInteger(flow.bytes) && flow.bytes >= 0, 'bytes');
  expect(flowSourceKinds.includes(flow.source), 'source');
  expect(typeof flow.node === 'string', 'node');
  const { addressed } = flow;
  expect(addressed === undefined || (isAddress(addressed.ip) && isInteger(addressed.port, 65535)), 'addressed');
  return [...faults, ...peerFaults(flow.client, 'client'), ...peerFaults(flow.server, 'server')];
}

function peerFaults(peer: FlowPeer, side: string): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) faults.push(`${side}.${what}`);
  };
  expect(sameKeys(peer, Object.keys(unnamedPeer)), 'keys');
  expect(peer.ip === undefined || isAddress(peer.ip), 'ip');
  for (const key of ['namespace', 'pod', 'podPrefix', 'node'] as const) {
    expect(peer[key] === undefined || isName(peer[key]), key);
  }
  expect(peer.workload === undefined || (isName(peer.workload.kind) && isName(peer.workload.name)), 'workload');
  expect(peer.service === undefined || (isName(peer.service.namespace) && isName(peer.service.name)), 'service');
  expect(peer.reserved === undefined || reserved.includes(peer.reserved), 'reserved');
  for (const key of ['labels', 'dnsNames'] as const) {
    const list = peer[key];
    expect(
      list === undefined ||
        (Array.isArray(list) &&
          list.length > 0 &&
          list.length <= 256 &&
          list.every((item) => typeof item === 'string')),
      key,
    );
  }
  return faults;
}

export function lossFaults({ timeMs, source, node, events, kind }: FlowLoss): string[] {
  const faults: string[] = [];
  if (!isTime(timeMs)) faults.push('timeMs');
  if (!flowSourceKinds.includes(source)) faults.push('source');
  if (typeof node !== 'string') faults.push('node');
  if (events !== undefined && !(Number.isInteger(events) && events >= 0)) faults.push('events');
  if (!['lost', 'unavailable', 'sampled', 'started'].includes(kind)) faults.push('kind');
  return faults;
}

function sameKeys(value: object, keys: readonly string[]): boolean {
  const own = Object.keys(value);
  return own.length === keys.length && keys.every((key) => own.includes(key));
}

function isTime(ms: number): boolean {
  return isInteger(ms, latestMs);
}

function isInteger(value: number, highest: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= highest;
}

function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function isName(text: unknown): boolean {
  return typeof text === 'string' && text !== '';
}
