#!/usr/bin/env node
import { existsSync } from 'node:fs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(`nanoseg needs Node.js 22.15 or newer, this is ${process.version}\n`);
  process.exit(2);
}
// a checkout runs the sources as they are; the published package carries only what the compiler made of them
const source = new URL('./main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
