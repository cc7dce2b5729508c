import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAll } from 'js-yaml';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { ApprovalSpec, PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import type { AuditEntry } from '../../controller/ports.ts';
import { ConfigMapAuditLog } from '../../controller/adapters/audit/config-map-audit-log.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { ControllerProcess } from './controller-process.ts';
import { installDirectory, type Manifest, resourcesServed } from './install-for-test.ts';
import type { CommandResult, KubeApi, KubeUser } from './kube-api.ts';
import { freePorts } from './owned-process.ts';
import { deployment, flowLine } from './tiny-shop.ts';

/** Enough is seen at once. */
const learning = { bin: '1m', window: '1s', coverage: 0, bins: 1, loss: 1, startUps: false, cronJobs: false };
const withinMs = 30_000;

/** What of the installation runs nowhere in these tests: there is no kubelet, and the server may be too old for budgets. */
const notHere = new Set(['StatefulSet', 'PodDisruptionBudget']);

/**
 * nanoseg as `kubectl apply -k examples/install` installs it, a namespace `shop` with traffic, and the controller as a
 * process that has the rights of its service account and no others.
 */
export class InstalledShop {
  readonly api: KubeApi;
  readonly directory: string;
  readonly quickProfile = { mode: 'enforce', learning, closedNamespace: { propose: false } };
  readonly #flows: string;
  #minute = 0;
  #healthPort = 0;
  #controller: ControllerProcess | undefined;
  #starts = 0;

  private constructor(api: KubeApi, directory: string) {
    this.api = api;
    this.directory = directory;
    this.#flows = join(directory, 'flows.jsonl');
  }

  static async open(
    api: KubeApi,
    { webhook = true, profile = {} }: { readonly webhook?: boolean; readonly profile?: object } = {},
  ): Promise<InstalledShop> {
    const shop = new InstalledShop(api, await mkdtemp(join(tmpdir(), 'nanoseg-installed-')));
    await writeFile(shop.#flows, '');
    await shop.#install(webhook);
    await api.createNamespace('shop');
    await shop.kubectlApply(['web', 'cart', 'db'].map((name) => deployment('shop', name)).join(''));
    await shop.profile({ ...shop.quickProfile, ...profile });
    return shop;
  }

  async #install(webhook: boolean): Promise<void> {
    const rendered = await this.api.kubectl('admin', 'kustomize', installDirectory);
    if (rendered.code !== 0) throw new Error(rendered.err);
    const manifests = (loadAll(rendered.out) as Manifest[]).filter(
      ({ kind }) => !notHere.has(kind) && (webhook || !kind.endsWith('WebhookConfiguration')),
    );
    const items = manifests.map((manifest) =>
      manifest.kind.endsWith('RoleBinding')
        ? {
            ...manifest,
            // instead of the service account, whose token nobody mounts here
            subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'controller' }],
          }
        : manifest,
    );
    await this.kubectlApply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await resourcesServed(this.api);
  }

  async kubectlApply(manifests: string): Promise<void> {
    const { code, err } = await this.api.kubectlApply('admin', manifests);
    if (code !== 0) throw new Error(err);
  }

  /** The profile of the whole cluster. */
  async profile(spec: object): Promise<void> {
    const metadata = { name: 'default', namespace: 'nanoseg-system' };
    const profile = { apiVersion: 'nanoseg.io/v1alpha1', kind: 'SegmentationProfile', metadata, spec };
    await this.kubectlApply(JSON.stringify(profile));
  }

  /** Which of nanoseg's roles each has in the namespace. */
  async bind(roles: Readonly<Record<string, 'approver' | 'viewer'>>): Promise<void> {
    for (const [user, role] of Object.entries(roles)) {
      const binding = ['rolebinding', user, `--clusterrole=nanoseg-${role}`, `--user=${user}`, '-n', 'shop'];
      const { code, err } = await this.api.kubectl('admin', 'create', ...binding);
      if (code !== 0) throw new Error(err);
    }
  }

  get controller(): ControllerProcess {
    if (this.#controller === undefined) throw new Error('the controller was not started');
    return this.#controller;
  }

  /** Resolves when it leads. */
  async start({
    webhook = true,
    options = [],
  }: {
    readonly webhook?: boolean;
    readonly options?: readonly string[];
  } = {}): Promise<ControllerProcess> {
    const [port = 0] = await freePorts(1);
    this.#healthPort = port;
    this.#controller = await ControllerProcess.start({
      name: `controller-${++this.#starts}`,
      directory: this.directory,
      kubeconfig: this.api.kubeconfig('controller'),
      flows: [this.#flows],
      ...(webhook ? {} : { webhook: 'none' as const }),
      options: ['--health-port', String(port), '--interval', '1s', '--lease', '2s', '--flush', '1s', ...options],
    });
    await this.#controller.logged('leading');
    return this.#controller;
  }

  async close(): Promise<void> {
    await this.#controller?.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** How many times the controller has looked at a proposal since it started. */
  async reconciled(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#healthPort}/metrics`)).text();
    return [...text.matchAll(/^nanoseg_reconcil\w*\{[^}]*\} (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  }

  /** Resolves when every proposal was looked at since, more than once. */
  async looked(): Promise<void> {
    const before = await this.reconciled();
    await this.eventually('a few looks', async () => ((await this.reconciled()) >= before + 9 ? true : undefined));
  }

  async readiness(): Promise<{ readonly status: number; readonly text: string }> {
    const reply = await fetch(`http://127.0.0.1:${this.#healthPort}/readyz`);
    return { status: reply.status, text: await reply.text() };
  }

  /** Connections that were seen, `web > cart 8080`. */
  async seen(...connections: readonly string[]): Promise<void> {
    const lines = connections.flatMap((text) => {
      const [client, , server, port] = text.split(' ');
      return [0, 1].map(() => flowLine(`shop/${client} > shop/${server} ${port}`, this.#minute++));
    });
    await appendFile(this.#flows, lines.join(''));
  }

  proposal(workload: string): Promise<PolicyProposal | undefined> {
    return this.api.asAdmin.get({ kind: 'PolicyProposal', namespace: 'shop', name: `deployment-${workload}` });
  }

  /** The proposal once its status is like that. */
  async until(
    workload: string,
    what: string,
    holds: (status: ProposalStatus, proposal: PolicyProposal) => boolean,
  ): Promise<PolicyProposal & { readonly status: ProposalStatus }> {
    let last: PolicyProposal | undefined;
    const found = await this.eventually(`${workload} ${what}`, async () => {
      last = await this.proposal(workload);
      const status = last?.status;
      return last !== undefined && status !== undefined && holds(status, last) ? { ...last, status } : undefined;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last?.status, undefined, 1)}`, { cause: error });
    });
    return found;
  }

  inState(workload: string, state: ProposalStatus['state']) {
    return this.until(workload, `is ${state}`, (status) => status.state === state);
  }

  policy(name: string): Promise<NetworkPolicy | undefined> {
    return this.api.asAdmin.get<NetworkPolicy>({ kind: 'NetworkPolicy', namespace: 'shop', name });
  }

  /** With kubectl: an approval of what is proposed, or whatever `spec` says; what is taken back is what is in force. */
  async decide(
    user: KubeUser,
    name: string,
    workload: string,
    spec: Partial<ApprovalSpec> = {},
    ...args: readonly string[]
  ): Promise<CommandResult> {
    const status = (await this.proposal(workload))?.status;
    const takesBack = spec.decision === 'Rollback' || spec.decision === 'Retire';
    const digest = (takesBack ? status?.enforced?.digest : status?.digest) ?? '';
    const decision = { decision: 'Approve', reason: 'reviewed', proposal: `deployment-${workload}`, digest, ...spec };
    const metadata = { name, namespace: 'shop' };
    const approval = { apiVersion: 'nanoseg.io/v1alpha1', kind: 'PolicyApproval', metadata, spec: decision };
    return this.api.kubectlApply(user, JSON.stringify(approval), ...args);
  }

  approval(name: string): Promise<PolicyApproval | undefined> {
    return this.api.asAdmin.get<PolicyApproval>({ kind: 'PolicyApproval', namespace: 'shop', name });
  }

  /** What the controller says of a decision. */
  answerTo(name: string): Promise<{ readonly counted: boolean; readonly message: string }> {
    return this.eventually(`an answer to ${name}`, async () => (await this.approval(name))?.status);
  }

  async audit(): Promise<AuditEntry[]> {
    const store = this.api.asAdmin;
    const log = new ConfigMapAuditLog({ store, namespace: 'nanoseg-system', clock: systemClock, random: Math.random });
    return Array.fromAsync(log.entries());
  }

  async eventually<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`not in time: ${what}\n${await this.#controller?.output()}`);
      await sleep(30);
    }
  }
}
