import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NetworkNode } from '../support/network-node.ts';
import { networkTest } from '../support/network-test.ts';
import { eventually } from '../support/recording-sink.ts';

const exec = promisify(execFile);

const pods = [10, 11].map((host) => ({
  name: `pod-${host}`,
  ipv4: `10.244.1.${host}`,
  ipv6: `fd00:10:244:1::${host}`,
}));
const plan = {
  node: { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' },
  pods,
  outside: [{ name: 'far', ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' }],
  services: [],
};

/** Interfaces and routes of the root namespace, but for counters. */
async function rootNamespace(): Promise<readonly string[]> {
  const devices = (await readFile('/proc/self/net/dev', 'utf8')).matchAll(/^\s*([^\s:]+):/gm);
  const routes = (await readFile('/proc/self/net/route', 'utf8')).split('\n').map((line) => line.slice(0, 40));
  return [...[...devices].map(([, name]) => name ?? ''), ...routes];
}

networkTest('a test node leaves the root namespace alone, has no way out, and goes without a trace', async (t) => {
  const before = await rootNamespace();
  const node = await NetworkNode.start(plan);
  t.deepEqual(await rootNamespace(), before);
  const prefix = node.namespace.slice(0, -plan.node.name.length);
  const own = async () => (await readdir('/run/netns')).filter((name) => name.startsWith(prefix));
  t.is((await own()).length, 4);
  // an address for documentation that is not one of ours
  const route = exec('/usr/sbin/ip', ['-n', node.namespace, 'route', 'get', '198.51.100.77']);
  await t.throwsAsync(route, { message: /unreachable/ });
  await node.stop();
  t.deepEqual(await own(), []);
  t.deepEqual(await rootNamespace(), before);
});

networkTest('what a killed test left is removed by the next', async (t) => {
  const program = fileURLToPath(new URL('../support/network-forsaken.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  const { namespace, pids } = JSON.parse(text.toString()) as { namespace: string; pids: number[] };
  const running = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
  t.deepEqual(running(), pids);
  // asked before it is killed: from then on a node of a test beside this one may be the next
  t.true(existsSync(`/run/netns/${namespace}`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await eventually(() => running().length === 0, 'its processes are gone');
  const node = await NetworkNode.start(plan);
  t.teardown(() => node.stop());
  t.false(existsSync(`/run/netns/${namespace}`));
});
