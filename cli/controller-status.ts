import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterError } from '../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';
import type { ObjectStore } from '../controller/ports.ts';
import type { ControllerStatus } from '../controller/view/operation-status.ts';
import type { Connection } from './connection.ts';

/** Whether a controller leads, as far as the user may know. */
export async function controllerStatus(
  { store, systemNamespace, workspace }: Connection,
  nowMs: number,
): Promise<ControllerStatus> {
  return workspace === undefined ? await leaseStatus(store, systemNamespace, nowMs) : await directoryStatus(workspace);
}

interface Lease extends KubernetesObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly renewTime?: string;
    readonly leaseDurationSeconds?: number;
  };
}

async function leaseStatus(store: ObjectStore, namespace: string, nowMs: number): Promise<ControllerStatus> {
  try {
    const ref = { kind: 'Lease', namespace, name: 'nanoseg-controller' };
    const { holderIdentity = '', renewTime, leaseDurationSeconds = 15 } = (await store.get<Lease>(ref))?.spec ?? {};
    if (holderIdentity === '' || renewTime === undefined) {
      const message = `no controller holds the lease nanoseg-controller in namespace ${namespace}`;
      return { state: 'none', holder: null, renewedAt: null, message };
    }
    const silentMs = nowMs - Date.parse(renewTime);
    const running = silentMs <= leaseDurationSeconds * 1_000;
    const seconds = Math.max(0, Math.round(silentMs / 1_000));
    const message = running
      ? `${holderIdentity} leads, heard of ${seconds}s ago`
      : `nobody leads: ${holderIdentity} was last heard of ${seconds}s ago`;
    return { state: running ? 'running' : 'silent', holder: holderIdentity, renewedAt: renewTime, message };
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return { state: 'unknown', holder: null, renewedAt: null, message: `not known: ${error.message}` };
  }
}

/** The leader of a directory holds a lock of the kernel: who can take it knows that nobody leads. */
export async function directoryStatus(workspace: string): Promise<ControllerStatus> {
  const folder = join(workspace, '.nanoseg');
  const lockFile = join(folder, 'leader.lock');
  const leader = join(folder, 'leader');
  if (!existsSync(lockFile) || !existsSync(leader)) {
    return { state: 'none', holder: null, renewedAt: null, message: 'no controller has worked on this directory' };
  }
  const holder = (await readFile(leader, 'utf8')).trim();
  const { KernelLock } = await import('../controller/adapters/workspace/kernel-lock.ts');
  using lock = KernelLock.tryTake(lockFile);
  return lock === undefined
    ? { state: 'running', holder, renewedAt: null, message: `${holder} leads` }
    : { state: 'none', holder: null, renewedAt: null, message: `none runs; ${holder} was the last` };
}
