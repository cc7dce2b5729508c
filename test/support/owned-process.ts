import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { readFile } from 'node:fs/promises';

/** A real server that a test started: it dies with the thread that started it, however that ends. */
export interface OwnedProcess {
  readonly pid: number;
  /** Undefined while it runs. */
  exited(): string | undefined;
  /** The end of what it wrote, for the message of a test that cannot start it. */
  log(): Promise<string>;
  /** Kills it by its process id, at once, and waits until it is gone. */
  kill(): Promise<void>;
}

/** Both streams of the program go to `logFile`. */
export function startOwned(command: string, args: readonly string[], logFile: string): OwnedProcess {
  const log = openSync(logFile, 'a');
  // the kernel kills it when our thread is gone: nothing is left behind even by kill -9
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  let failure: string | undefined;
  child.on('error', (error) => {
    failure = error.message;
  });
  return {
    pid: child.pid ?? 0,
    exited: () => failure ?? endOf(child),
    log: async () => (await readFile(logFile, 'utf8')).slice(-2000),
    async kill() {
      if (failure !== undefined || endOf(child) !== undefined) return;
      const gone = once(child, 'exit');
      child.ref();
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function endOf({ exitCode, signalCode }: ChildProcess): string | undefined {
  return exitCode !== null ? `exit code ${exitCode}` : (signalCode ?? undefined);
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
