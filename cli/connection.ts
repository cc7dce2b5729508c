import { type Command, Option } from 'commander';
import type { AuditLog, ObjectStore } from '../controller/ports.ts';

/** Where the objects of a command are: a cluster by kubeconfig, or a workspace directory. */
export interface ConnectionOptions {
  readonly workspace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  /** User to impersonate; in a workspace, who a decision is claimed for. */
  readonly as?: string;
  readonly asGroup: readonly string[];
  readonly systemNamespace: string;
}

export interface Connection {
  readonly store: ObjectStore;
  /** The directory, when it is one. */
  readonly workspace: string | undefined;
  /** Where names without a namespace are looked for; undefined: everywhere. */
  readonly namespace: string | undefined;
  /** nanoseg's own namespace. */
  readonly systemNamespace: string;
  /** Who decides, as far as this side of the connection knows: worth something only where claims count. */
  readonly claimant: () => Promise<string>;
  /** The audit log, for reading; opened when it is asked for. */
  readonly auditLog: () => Promise<AuditReader>;
}

export type AuditReader = Pick<AuditLog, 'entries' | 'verify'>;

/** Makes a connection; throws InputError for options and kubeconfigs that cannot be used. */
export type Connect = (options: ConnectionOptions) => Promise<Connection>;

export const defaultSystemNamespace = 'nanoseg-system';

/** The options that say where the objects are; `all`: whether the command can ask all namespaces at once. */
export function addConnectionOptions(command: Command, all = true): Command {
  command
    .optionsGroup('Where:')
    .option('-n, --namespace <name>', "namespace (default: the kubeconfig context's; in a workspace: all)");
  if (all) command.option('-A, --all-namespaces', 'all namespaces');
  return command
    .option('--workspace <dir>', 'a workspace directory instead of a cluster')
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: KUBECONFIG, ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--as <user>', 'user to impersonate; in a workspace, who decides')
    .option('--as-group <group...>', 'group to impersonate', [])
    .addOption(new Option('--system-namespace <name>', "nanoseg's own namespace").default(defaultSystemNamespace))
    .optionsGroup('Options:');
}
