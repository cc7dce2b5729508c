import { stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { problem } from '../controller/model/problem.ts';
import { systemClock as clock } from '../controller/adapters/system-clock.ts';
import type { Connect, Connection, ConnectionOptions } from './connection.ts';
import { InputError, type Terminal } from './terminal.ts';

/**
 * Connects to a cluster or to a workspace directory. The adapters are loaded only then: commands that need neither start
 * without them.
 */
export function connectWith(version: string, terminal: Terminal): Connect {
  return (options) =>
    options.workspace === undefined
      ? connectToCluster(options, version)
      : connectToWorkspace(options.workspace, options, terminal);
}

async function connectToCluster(options: ConnectionOptions, version: string): Promise<Connection> {
  const { createKubeClient } = await import('../controller/adapters/kubernetes/kube-client.ts');
  const { KubeconfigError } = await import('../controller/adapters/kubernetes/kube-access.ts');
  const { createKubernetesObjectStore } = await import('../controller/adapters/kubernetes/object-store.ts');
  const { kubeconfig, context, namespace, allNamespaces, as: user, asGroup: groups, systemNamespace } = options;
  if (user === undefined && groups.length > 0) {
    throw new InputError([problem('ArgumentInvalid', '--as-group goes with --as: groups alone are nobody')]);
  }
  try {
    const client = createKubeClient({
      kubeconfig,
      context,
      namespace,
      version,
      impersonate: user === undefined ? undefined : { user, groups },
    });
    const store = createKubernetesObjectStore(client, { fieldManager: 'nanoseg-cli' });
    return {
      store,
      workspace: undefined,
      namespace: allNamespaces ? undefined : client.namespace,
      systemNamespace,
      claimant: async () => {
        const { ownIdentity } = await import('../controller/adapters/kubernetes/own-identity.ts');
        return user ?? (await ownIdentity(client)) ?? userInfo().username;
      },
      auditLog: async () => {
        const { ConfigMapAuditLog } = await import('../controller/adapters/audit/config-map-audit-log.ts');
        return new ConfigMapAuditLog({ store, namespace: systemNamespace, clock, random: Math.random });
      },
    };
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    throw new InputError([problem('KubeconfigUnusable', error.message)]);
  }
}

async function connectToWorkspace(
  root: string,
  { namespace, allNamespaces, as: user, systemNamespace, kubeconfig, context }: ConnectionOptions,
  terminal: Terminal,
): Promise<Connection> {
  if (kubeconfig !== undefined || context !== undefined) {
    throw new InputError([problem('ArgumentInvalid', 'either --workspace or a kubeconfig')]);
  }
  await requireWorkspace(root);
  const { DirectoryStore } = await import('../controller/adapters/workspace/directory-store.ts');
  return {
    store: new DirectoryStore({
      root,
      clock,
      report: ({ message, where }) => terminal.err(`warning: ${where}: ${message}\n`),
    }),
    workspace: root,
    namespace: allNamespaces ? undefined : namespace,
    systemNamespace,
    claimant: async () => user ?? userInfo().username,
    auditLog: async () => {
      const { FileAuditLog } = await import('../controller/adapters/audit/file-audit-log.ts');
      return new FileAuditLog({ root, clock });
    },
  };
}

/** Throws InputError for what is no directory. */
export async function requireWorkspace(root: string): Promise<void> {
  const found = await stat(root).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new InputError([problem('InputNotFound', 'the workspace is no directory', root)]);
  }
}
