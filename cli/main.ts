import { basename } from 'node:path';
import { createInterface } from 'node:readline/promises';
import packageJson from '../package.json' with { type: 'json' };
import { run } from './program.ts';
import { exitCode, type Terminal } from './terminal.ts';

// a reader that has seen enough (head, less) closes the pipe: that is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCode.ok);
});

/** An end of the input or an interruption instead of an answer is an empty answer. */
async function ask(question: string): Promise<string> {
  const ended = new AbortController();
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.once('SIGINT', () => ended.abort()).once('close', () => ended.abort());
  try {
    return await lines.question(question, { signal: ended.signal });
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    process.stderr.write('\n');
    return '';
  } finally {
    lines.close();
  }
}

/** From the first call on, interruptions do not end the process by themselves. */
function interrupted(): AbortSignal {
  const interruption = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interruption.abort());
  return interruption.signal;
}

const terminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
  columns: process.stderr.columns || 100,
  exit: (code) => {
    process.exitCode = code;
  },
  ...(process.stdin.isTTY && process.stderr.isTTY && { ask }),
  interrupted,
  // kubectl runs its plugins by their file names
  program: basename(process.argv[1] ?? '').startsWith('kubectl-') ? 'kubectl nanoseg' : 'nanoseg',
};

process.exitCode = await run(process.argv.slice(2), terminal, packageJson.version);
