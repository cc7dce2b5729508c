import test from 'ava';
import { Command } from 'commander';
import { addSourceOptions, sourcesOf, type SourceOptions } from '../../cli/source-options.ts';
import { InputError } from '../../cli/terminal.ts';

function sources(...args: readonly string[]) {
  const command = addSourceOptions(new Command());
  command.parse([...args], { from: 'user' });
  return sourcesOf(command.opts<SourceOptions>());
}

test('a command line names live sources, their certificates and how they are asked', (t) => {
  t.deepEqual(sources(), []);
  t.deepEqual(sources('--hubble', 'tls://relay:443', '--hubble-ca', 'ca.crt', '--hubble-replies'), [
    { kind: 'hubble', address: 'tls://relay:443', ca: 'ca.crt', replies: true },
  ]);
  t.deepEqual(sources('--hubble', 'relay:80', '--goldmane', 'goldmane:7443', '--goldmane-server-name', 'goldmane'), [
    { kind: 'hubble', address: 'relay:80' },
    { kind: 'goldmane', address: 'goldmane:7443', serverName: 'goldmane' },
  ]);
});

test('what is said of a source without its address, and half a certificate, are refused', (t) => {
  for (const args of [
    ['--hubble-ca', 'ca.crt'],
    ['--hubble-replies'],
    ['--goldmane', 'goldmane:7443', '--goldmane-cert', 'tls.crt'],
  ]) {
    t.throws(() => sources(...args), { instanceOf: InputError }, args.join(' '));
  }
});
