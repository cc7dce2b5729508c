import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { AdmissionServer } from '../../controller/adapters/admission/admission-server.ts';
import { installWebhook, type WebhookTarget } from '../../controller/adapters/admission/install-webhook.ts';
import { KeyRing } from '../../controller/adapters/admission/key-ring.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { Clock } from '../../controller/ports.ts';
import type { KubeApi } from './kube-api.ts';

/** The real time, moved by so much. */
export class MovedClock implements Clock {
  movedMs = 0;
  now(): number {
    return Date.now() + this.movedMs;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleep(ms, undefined, { signal });
  }
}

export interface TestWebhook {
  readonly keys: KeyRing;
  readonly server: AdmissionServer;
  readonly target: WebhookTarget;
  /** What it logged of each request. */
  readonly logged: { readonly uid: string; readonly user: string }[];
}

/** The keys as the user `controller` may have them; `installForTest` comes first. */
export async function openKeys(
  api: KubeApi,
  hosts: readonly string[] = ['127.0.0.1'],
  clock: Clock = new MovedClock(),
): Promise<KeyRing> {
  const opening = await KeyRing.open({ store: api.storeOf('controller'), namespace: 'nanoseg-system', hosts, clock });
  if (opening.kind === 'failed') throw new Error(opening.problem.message);
  return opening.keys;
}

/** Serves the webhook on a free port, and is known to nobody yet. The caller closes its server. */
export async function serveWebhook(keys: KeyRing): Promise<TestWebhook> {
  const logged: { uid: string; user: string }[] = [];
  const log = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const clock = new MovedClock();
  const options = { keys, controllerUser: 'controller', clock, log, port: 0, host: '127.0.0.1' };
  const server = await AdmissionServer.start(options);
  return { keys, server, target: { kind: 'url', url: `https://127.0.0.1:${server.port}` }, logged };
}

/** Serves the webhook and makes it known with the rights of the user `controller`; resolves when the API server asks it. */
export async function startWebhook(api: KubeApi): Promise<TestWebhook> {
  const webhook = await serveWebhook(await openKeys(api));
  const found = await installWebhook(api.storeOf('controller'), webhook.keys, webhook.target);
  if (found !== undefined) throw new Error(found.message);
  // the API server learns of it a moment later
  const probe = approvalNamed('probe', { namespace: 'nanoseg-system' });
  const path = '/apis/nanoseg.io/v1alpha1/namespaces/nanoseg-system/policyapprovals?dryRun=All';
  await eventually('a stamped approval', async () => (await api.request('admin', 'POST', path, probe)).status === 201);
  return webhook;
}

/** An approval in the namespace `shop` unless said otherwise; `spec` adds to what every one has. */
export function approvalNamed(
  name: string,
  { namespace = 'shop', spec = {} }: { readonly namespace?: string; readonly spec?: object } = {},
): object {
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyApproval',
    metadata: { name, namespace },
    spec: { proposal: 'deployment-cart', digest: `sha256:${'a'.repeat(64)}`, decision: 'Approve', ...spec },
  };
}

/** Paths of the two webhook configurations of nanoseg. */
export const configurationPaths = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].map(
  (plural) => `/apis/admissionregistration.k8s.io/v1/${plural}/nanoseg-approvals`,
);

export async function webhookConfigurations(
  api: KubeApi,
): Promise<(KubernetesObject & { readonly webhooks: readonly object[] })[]> {
  const replies = await Promise.all(configurationPaths.map((path) => api.request('admin', 'GET', path)));
  return replies.map(({ body }) => body);
}

export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(25);
  }
}
