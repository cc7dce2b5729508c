import { type Command, Option } from 'commander';
import type { LiveSourceConfig } from '../controller/config.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';

/** What a command line says of live sources. */
export interface SourceOptions {
  readonly hubble?: string;
  readonly hubbleCa?: string;
  readonly hubbleCert?: string;
  readonly hubbleKey?: string;
  readonly hubbleServerName?: string;
  readonly hubbleReplies?: boolean;
  readonly goldmane?: string;
  readonly goldmaneCa?: string;
  readonly goldmaneCert?: string;
  readonly goldmaneKey?: string;
  readonly goldmaneServerName?: string;
}

const kinds = [
  { kind: 'hubble', name: 'Hubble Relay', address: 'host:port, tls://host:port or unix:///path' },
  { kind: 'goldmane', name: 'Goldmane', address: 'host:port' },
] as const;

/** The options of every command that reads live sources. */
export function addSourceOptions(command: Command): Command {
  for (const { kind, name, address } of kinds) {
    command
      .addOption(new Option(`--${kind} <address>`, `flows of ${name} (${address})`))
      .addOption(new Option(`--${kind}-ca <file>`, `authority of ${name}'s certificate, in PEM`))
      .addOption(new Option(`--${kind}-cert <file>`, `our certificate for ${name}, in PEM`))
      .addOption(new Option(`--${kind}-key <file>`, 'its key, in PEM'))
      .addOption(new Option(`--${kind}-server-name <name>`, `name in ${name}'s certificate, when not the address`));
  }
  return command.addOption(
    new Option('--hubble-replies', 'ask for replies too, where the server never says what is one (old Retina)'),
  );
}

/** Throws InputError for options that do not go together. */
export function sourcesOf(options: SourceOptions): LiveSourceConfig[] {
  return kinds.flatMap(({ kind }) => {
    const address = options[kind];
    const parts = {
      ca: options[`${kind}Ca`],
      cert: options[`${kind}Cert`],
      key: options[`${kind}Key`],
      serverName: options[`${kind}ServerName`],
    };
    const given = Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined);
    if (address === undefined) {
      if (given.length === 0 && !(kind === 'hubble' && options.hubbleReplies)) return [];
      throw new InputError([
        problem('ArgumentInvalid', `what is said of ${kind} needs its address: --${kind} ADDRESS`),
      ]);
    }
    if ((parts.cert === undefined) !== (parts.key === undefined)) {
      throw new InputError([problem('ArgumentInvalid', `--${kind}-cert and --${kind}-key go together`)]);
    }
    const replies = kind === 'hubble' && options.hubbleReplies === true ? { replies: true } : {};
    return [{ kind, address, ...Object.fromEntries(given), ...replies }];
  });
}
