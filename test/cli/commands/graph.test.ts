import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../../cli/program.ts';

const manifests = ['web', 'cart']
  .map(
    (name) => `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: main, image: example.com/main:1 }] }
`,
  )
  .join('');

const flow = {
  time: '2026-01-05T08:00:00Z',
  verdict: 'FORWARDED',
  IP: { source: '10.244.0.5', destination: '10.244.0.6', ipVersion: 'IPv4' },
  l4: { TCP: { source_port: 40_000, destination_port: 8080, flags: { SYN: true } } },
  source: {
    namespace: 'shop',
    labels: ['k8s:app=web'],
    pod_name: 'web-1',
    workloads: [{ name: 'web', kind: 'Deployment' }],
  },
  destination: { namespace: 'shop', labels: ['k8s:app=cart'], pod_name: 'cart-1' },
  event_type: { type: 4 },
  is_reply: false,
};

async function nanoseg(lines: readonly string[], ...args: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-graph-'));
  try {
    await writeFile(join(directory, 'cluster.yaml'), manifests);
    await writeFile(join(directory, 'flows.json'), lines.map((line) => `${line}\n`).join(''));
    const written = { out: '', err: '' };
    const terminal = {
      out: (text: string) => void (written.out += text),
      err: (text: string) => void (written.err += text),
      interactive: false,
      columns: 100,
      exit: () => {},
    };
    const input = ['--cluster', join(directory, 'cluster.yaml'), '--flows', join(directory, 'flows.json')];
    const code = await run(['graph', ...input, ...args], terminal, '0.0.0');
    return { code, ...written };
  } finally {
    await rm(directory, { recursive: true });
  }
}

const line = JSON.stringify({ flow, node_name: 'n1', time: flow.time });

test('manifests and flows are enough to draw the graph in every format', async (t) => {
  t.true((await nanoseg([line], '-o', 'mermaid')).out.includes('n1 -->|"TCP 8080"| n0'));
  t.true((await nanoseg([line], '-o', 'dot')).out.startsWith('digraph traffic {'));
  t.true((await nanoseg([line], '-o', 'gexf')).out.includes('<gexf version="1.3"'));
  const { code, out } = await nanoseg([line]);
  t.is(code, 0);
  t.is(JSON.parse(out).edges[0].attributes.connections[0].port, 8080);
});

test('a bad record is located on standard error, and ends a strict reading', async (t) => {
  const lax = await nanoseg([line, '{"flow":'], '-o', 'dot');
  t.is(lax.code, 0);
  t.regex(lax.err, /flows\.json:2/);
  const strict = await nanoseg([line, '{"flow":'], '--strict');
  t.is(strict.code, 2);
  t.is(strict.out, '');
});

test('a namespace without traffic says that there is nothing to draw', async (t) => {
  const { code, err } = await nanoseg([line], '-n', 'other', '-o', 'dot');
  t.is(code, 0);
  t.true(err.includes('there is nothing to draw in namespace other'));
});
