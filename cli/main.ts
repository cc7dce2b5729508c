import { readFileSync } from 'node:fs';
import { run } from './program.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

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
  version,
);
