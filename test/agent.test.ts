import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { defaultFlowLimits } from '../controller/adapters/flow-file/flow-limits.ts';
import { nanosegLines } from '../controller/adapters/flow-file/nanoseg-line.ts';
import { NetworkNode, type NodePlan } from './support/network-node.ts';
import { networkTest } from './support/network-test.ts';
import { eventually } from './support/recording-sink.ts';
import { runCli } from './support/run-cli.ts';

const program = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const client = { name: 'client', ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' };
const server = { name: 'server', ipv4: '10.244.1.20', ipv6: 'fd00:10:244:1::20' };
const plan: NodePlan = {
  node: { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' },
  pods: [client, server],
  outside: [],
  services: [],
};

function startAgent(t: ExecutionContext, namespace: string, ...args: readonly string[]) {
  const inside = ['ip', 'netns', 'exec', namespace, process.execPath, program, 'agent', ...args];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside], { stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { out: '', err: '' };
  child.stdout.on('data', (text) => (written.out += text));
  child.stderr.on('data', (text) => (written.err += text));
  const exit = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>;
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return { child, written, exit };
}

networkTest('the agent writes what it sees as lines, and what is there when it is told to end', async (t) => {
  const node = await NetworkNode.within(t, plan);
  await node.host('server').listen([8080], []);
  const { child, written, exit } = startAgent(t, node.namespace, '--node', 'node-1', '--interval', '5m');
  await eventually(() => written.err.includes('bytes are not counted'), 'it listens, and has looked at the settings');
  await node.host('client').probe([{ protocol: 'TCP', address: server.ipv4, port: 8080 }]);
  t.is(written.out, '', 'an interval is added up first');
  child.kill('SIGTERM');
  t.deepEqual(await exit, [0, null]);
  const read = nanosegLines(defaultFlowLimits);
  const flows = written.out
    .trim()
    .split('\n')
    .map((line) => read(line, undefined))
    .flatMap((outcome) => (outcome.kind === 'flow' ? [outcome.flow] : []));
  const own = flows.filter(({ client: { ip } }) => ip === client.ipv4);
  t.is(
    own.reduce((sum, { connections }) => sum + connections, 0),
    1,
  );
  t.true(own.every((flow) => flow.server.ip === server.ipv4 && flow.port === 8080 && flow.directed));
  t.true(own.every((flow) => flow.node === 'node-1' && flow.clientPort === 0));
  for (const line of written.err.trim().split('\n')) t.notThrows(() => JSON.parse(line), line);
});

networkTest(
  'what it cannot do is shown where it is probed: no controller, and settings that hide a part',
  async (t) => {
    const node = await NetworkNode.within(t, plan);
    const gone = ['--to', 'unix:///nonexistent/nanoseg.sock', '--interval', '1s', '--health-port', '9791'];
    const { written } = startAgent(t, node.namespace, ...gone);
    await eventually(() => written.err.includes('observing'), 'it has started');
    const probe = async (path: string): Promise<string> => {
      const script = `fetch('http://127.0.0.1:9791${path}').then(async (r) => console.log(r.status, await r.text()), (e) => console.log(e.message))`;
      const asked = spawn('/usr/sbin/ip', ['netns', 'exec', node.namespace, process.execPath, '-e', script]);
      let text = '';
      asked.stdout.on('data', (part) => (text += part));
      await once(asked, 'exit');
      return text;
    };
    await node.host('server').listen([8080], []);
    await eventually(async () => {
      await node.host('client').probe([{ protocol: 'TCP', address: server.ipv4, port: 8080 }]);
      const said = await probe('/readyz');
      return said.startsWith('200') && said.includes('FlowsNotDelivered') && said.includes('ConntrackBytesOff');
    }, 'it says both');
    const metrics = await probe('/metrics');
    t.regex(metrics, /nanoseg_agent_entries_total [1-9]/);
    t.regex(metrics, /nanoseg_agent_queue_batches [1-9]/);
    t.is(written.out, '');
  },
);

test('options that cannot be meant are refused before anything is opened', async (t) => {
  const said = async (...args: readonly string[]) => {
    const { code, err } = await runCli('agent', ...args);
    t.is(code, 2, args.join(' '));
    return err;
  };
  t.regex(await said('--to', 'http://192.0.2.1:80'), /only goes to this machine itself/);
  t.regex(await said('--to', 'https://a', '--to', 'nonsense'), /--to nonsense: expected https/);
  t.regex(await said('--cert', 'a.crt'), /--cert and --key go together/);
  t.regex(await said('--interval', '10m'), /--interval: from 1s to 5m/);
  t.regex(await said('--interval', 'soon'), /Write 10s, 5m/);
  t.regex(await said('--health-port', 'x'), /--health-port: expected a port/);
});
