import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type OwnedProcess, startOwned } from './owned-process.ts';

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const withinMs = 30_000;

/**
 * `nanoseg agent` in the namespace of a test node, as a pod with hostNetwork would run it, delivering to that unix socket.
 * Resolves when it listens to the kernel.
 */
export async function startAgent(
  namespace: string,
  node: string,
  socket: string,
  logFile: string,
  meanwhile: () => Promise<unknown>,
): Promise<OwnedProcess> {
  const args = [process.execPath, program, 'agent', '--node', node, '--interval', '1s', '--to', `unix://${socket}`];
  const agent = startOwned('/usr/sbin/ip', ['netns', 'exec', namespace, ...args], logFile);
  const deadline = Date.now() + withinMs;
  while (!(await listensToConntrack(agent.pid))) {
    const end = agent.exited();
    if (end !== undefined || Date.now() > deadline) {
      await agent.kill();
      throw new Error(`the agent does not listen (${end ?? 'not in time'}): ${await agent.log()}`);
    }
    await meanwhile();
    await sleep(20);
  }
  return agent;
}

/** Whether that process's network namespace has a netfilter socket (protocol 12) in a multicast group. */
async function listensToConntrack(pid: number): Promise<boolean> {
  const table = await readFile(`/proc/${pid}/net/netlink`, 'utf8').catch(() => '');
  return table.split('\n').some((line) => {
    const [, protocol, , groups] = line.trim().split(/\s+/);
    return protocol === '12' && groups !== undefined && Number.parseInt(groups, 16) !== 0;
  });
}
