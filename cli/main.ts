import packageJson from '../package.json' with { type: 'json' };
import { run } from './program.ts';
import { exitCode } from './terminal.ts';

// a reader that has seen enough (head, less) closes the pipe: that is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCode.ok);
});

process.exitCode = await run(
  process.argv.slice(2),
  {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY,
    columns: process.stderr.columns || 100,
    exit: (code) => {
      process.exitCode = code;
    },
  },
  packageJson.version,
);
