import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { getFlowsPath } from '../../controller/adapters/hubble/get-flows-request.ts';
import { hubbleSource } from '../../controller/adapters/hubble/hubble-source.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { type Bench, rates, spread } from './measure.ts';

const flows = 200_000;
const rounds = 5;
const same = (bytes: Buffer) => bytes;

/** What grpc-js delivers when nothing is done with it: bytes of messages, counted. */
async function bare(address: string): Promise<number> {
  // the same window as ours, so that only what is done with the messages is compared
  const client = new Client(address, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 1024 * 1024,
    'grpc.use_local_subchannel_pool': 1,
  });
  let count = 0;
  const call = client.makeServerStreamRequest(getFlowsPath, same, same, Buffer.alloc(0));
  call.on('data', () => count++);
  await once(call, 'end');
  client.close();
  if (count !== flows) throw new Error(`grpc-js delivered ${count} messages of ${flows}`);
  return count;
}

async function ours(address: string): Promise<number> {
  let count = 0;
  const source = hubbleSource({ address, clock: systemClock });
  for await (const batch of source.batches(new AbortController().signal)) {
    if (batch.rejected.length > 0) throw new Error(`rejected: ${batch.rejected[0]?.reason}`);
    count += batch.flows.length;
    if (count >= flows) return count;
  }
  throw new Error(`only ${count} flows came`);
}

export const bench: Bench = {
  name: 'hubble-stream',
  title: `a stream of ${flows.toLocaleString('en-US')} Hubble flows over a socket, from a process of its own`,
  async run() {
    const child = fileURLToPath(new URL('../support/hubble-flood.ts', import.meta.url));
    const server = spawn(process.execPath, [child, String(flows)], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      const [port] = (await once(server.stdout, 'data')) as [Buffer];
      const address = `127.0.0.1:${Number(port)}`;
      const baseline = 'bare grpc-js: the bytes of each message';
      const whole = 'hubbleSource: flows in batches, with what resuming takes';
      const measured = await rates({ [baseline]: () => bare(address), [whole]: () => ours(address) }, rounds);
      const ratio = spread(measured.get(whole) ?? []).median / spread(measured.get(baseline) ?? []).median;
      return [...measured].map(([what, values]) => ({
        what,
        values: values.map((rate) => rate / 1000),
        unit: 'k flows/s',
        baseline: what === baseline ? undefined : baseline,
        bar: what === whole ? { text: 'at least 0.9x', met: ratio >= 0.9 } : undefined,
      }));
    } finally {
      server.stdin.end();
      await once(server, 'close');
    }
  },
};
