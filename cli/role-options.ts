import { type Command, Option } from 'commander';
import type { ControllerConfigInput } from '../controller/config.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';

type Role = NonNullable<ControllerConfigInput['role']>;

/** What a command line says of the part that a process has in an installation of several. */
export interface RoleOptions {
  readonly role: Role;
}

export function addRoleOptions(command: Command): Command {
  return command.addOption(
    new Option('--role <role>', 'one of several processes that share flows over Redis (docs/scaling.md)')
      .choices(['all', 'ingest', 'decide'] satisfies Role[])
      .default('all' satisfies Role),
  );
}

interface Refusal {
  readonly roles: readonly Role[];
  readonly applies: (config: ControllerConfigInput) => boolean;
  readonly message: (role: Role) => string;
}

const refusals: readonly Refusal[] = [
  {
    roles: ['ingest', 'decide'],
    applies: ({ redis }) => redis === undefined,
    message: (role) => `--role ${role} shares what was seen over Redis: it needs --redis URL`,
  },
  {
    roles: ['ingest', 'decide'],
    applies: ({ flows = [] }) => flows.length > 0,
    message: (role) =>
      `--role ${role} reads no files: one process reads them (--role all), or an agent pushes what is in them`,
  },
  {
    roles: ['ingest', 'decide'],
    applies: ({ once = false }) => once,
    message: (role) => `--role ${role} does not end by itself: --once goes with --role all`,
  },
  {
    roles: ['ingest', 'decide'],
    applies: ({ dataDirectory }) => dataDirectory !== undefined,
    message: (role) => `--role ${role} keeps evidence in Redis alone: --data-dir goes with --role all`,
  },
  {
    roles: ['decide'],
    applies: ({ push, sources = [] }) => push !== undefined || sources.length > 0,
    message: () => 'flows are taken by --role ingest: --push-port, --push-socket, --hubble and --goldmane go there',
  },
  {
    roles: ['ingest'],
    applies: ({ http }) => http !== undefined,
    message: () => 'the page and the API are served by --role decide: --http-port goes there',
  },
  {
    roles: ['ingest'],
    applies: ({ webhook, notify, notifyOutput = false }) =>
      webhook !== undefined || notify !== undefined || notifyOutput,
    message: () =>
      'decisions are taken and told by --role decide: --webhook-port, --notify-url and --notify-output go there',
  },
  {
    roles: ['all'],
    applies: ({ redis }) => redis?.shards !== undefined || redis?.waiting !== undefined,
    message: () => '--redis-shards and --redis-waiting are about flows that are shared: they go with --role ingest',
  },
];

/** Throws InputError naming everything that does not go with the role. */
export function requireRole(config: ControllerConfigInput): void {
  const { role = 'all' } = config;
  const found = refusals.filter(({ roles, applies }) => roles.includes(role) && applies(config));
  if (found.length === 0) return;
  throw new InputError(found.map(({ message }) => problem('ArgumentInvalid', message(role))));
}
