import { NetworkNode } from './network-node.ts';

/** Makes a test node, says its namespace and the processes in it, and waits to be killed. */
const pod = { name: 'pod', ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' };
const node = { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' };
const made = await NetworkNode.start({ node, pods: [pod], outside: [], services: [] });
const pids = [made.host(pod.name).pid, made.host(node.name).pid];
process.stdout.write(JSON.stringify({ namespace: made.namespace, pids }));
