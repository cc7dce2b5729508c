import { type Command, Option } from 'commander';
import type { ControllerConfigInput } from '../controller/config.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';

/** What the options of the page and the API say. */
export interface HttpOptions {
  readonly httpPort?: number;
  readonly httpHost?: string;
  readonly httpCert?: string;
  readonly httpKey?: string;
}

/** `port` reads a port from text. */
export function addHttpOptions(command: Command, port: (text: string) => number): Command {
  return command
    .addOption(new Option('--http-port <port>', 'serve the page and the API (docs/api.md)').argParser(port))
    .option('--http-host <address>', 'address of that port (default: 127.0.0.1; others only in a cluster)')
    .option('--http-cert <file>', 'its certificate (default elsewhere than on 127.0.0.1: one that nanoseg makes)')
    .option('--http-key <file>', 'its key');
}

/** Undefined: nothing is served. Throws InputError for options that do not go together. */
export function httpOf(options: HttpOptions): ControllerConfigInput['http'] {
  const { httpPort: port, httpHost: host, httpCert: cert, httpKey: key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new InputError([problem('ArgumentInvalid', '--http-cert and --http-key go together')]);
  }
  if (port !== undefined) {
    return { port, ...(host !== undefined && { host }), ...(cert !== undefined && key !== undefined && { cert, key }) };
  }
  if ((host ?? cert) === undefined) return undefined;
  throw new InputError([problem('ArgumentInvalid', '--http-host and --http-cert go with --http-port')]);
}
