import { type Command, Option } from 'commander';
import type { ControllerConfigInput } from '../controller/config.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';

/** What the options of the push endpoint say. */
export interface PushOptions {
  readonly pushPort?: number;
  readonly pushHost?: string;
  readonly pushSocket?: string;
  readonly pushClientCa?: string;
  readonly pushCert?: string;
  readonly pushKey?: string;
}

/** `port` reads a port from text. */
export function addPushOptions(command: Command, port: (text: string) => number): Command {
  return command
    .addOption(new Option('--push-port <port>', 'take flows that agents and exporters push').argParser(port))
    .option('--push-host <address>', 'address of that port (default: every one; in a workspace 127.0.0.1)')
    .option('--push-socket <path>', 'take flows on a unix socket, from users who may write to it')
    .option('--push-client-ca <file>', 'take flows from whoever has a client certificate of this authority (PEM)')
    .option('--push-cert <file>', 'certificate of the port (default in a cluster: one that nanoseg makes and renews)')
    .option('--push-key <file>', 'its key');
}

/** Undefined: nothing is pushed. Throws InputError for options that do not go together. */
export function pushOf(options: PushOptions): ControllerConfigInput['push'] {
  const {
    pushPort: port,
    pushHost: host,
    pushSocket: socket,
    pushClientCa: clientCa,
    pushCert: cert,
    pushKey: key,
  } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new InputError([problem('ArgumentInvalid', '--push-cert and --push-key go together')]);
  }
  if (port === undefined && (host ?? clientCa ?? cert) !== undefined) {
    throw new InputError([
      problem('ArgumentInvalid', '--push-host, --push-client-ca and --push-cert go with --push-port'),
    ]);
  }
  if (port === undefined && socket === undefined) return undefined;
  const given = { port, host, socket, clientCa, cert, key };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
