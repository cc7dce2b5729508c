import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { ConfigMapAuditLog } from '../../controller/adapters/audit/config-map-audit-log.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Decision } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal, ProposalState, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import type { AuditEntry } from '../../controller/ports.ts';
import type { ControllerProcess } from './controller-process.ts';
import { bindRole, installForTest } from './install-for-test.ts';
import type { KubeApi, KubeReply, KubeUser } from './kube-api.ts';
import { deployment, flowLine } from './tiny-shop.ts';

/** Enough is seen at once, and what is approved is applied. */
const quickProfile = {
  mode: 'enforce',
  learning: { bin: '1m', window: '1s', coverage: 0, bins: 1, loss: 1, startUps: false, cronJobs: false },
  closedNamespace: { propose: false },
};

const withinMs = 60_000;

/** Namespace `shop` with its workloads in a real cluster, people who may decide there, and a file of its traffic. */
export class ShopInCluster {
  readonly api: KubeApi;
  readonly directory: string;
  readonly flowFile: string;
  /** Whoever waits for something gives up when one of these ends by itself. */
  readonly controllers: ControllerProcess[] = [];
  #minute = 0;

  private constructor(api: KubeApi, directory: string) {
    this.api = api;
    this.directory = directory;
    this.flowFile = join(directory, 'flows.jsonl');
  }

  /** Alice and bob may decide in it; carol may edit everything in it. */
  static async open(api: KubeApi, workloads: readonly string[], profile: object = {}): Promise<ShopInCluster> {
    const shop = new ShopInCluster(api, await mkdtemp(join(tmpdir(), 'nanoseg-shop-')));
    await writeFile(shop.flowFile, '');
    await installForTest(api, { webhook: true });
    await api.createNamespace('shop');
    for (const user of ['alice', 'bob'] as const) await bindRole(api, user, 'nanoseg-approver', 'shop');
    await api.grant('carol', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }], 'shop');
    const spec = { ...quickProfile, ...profile };
    const metadata = { name: 'default', namespace: 'nanoseg-system' };
    await api.asAdmin.create({
      apiVersion: 'nanoseg.io/v1alpha1',
      kind: 'SegmentationProfile',
      metadata,
      spec,
    } as never);
    const applied = await api.kubectlApply('admin', workloads.map((name) => deployment('shop', name)).join(''));
    if (applied.code !== 0) throw new Error(applied.err);
    return shop;
  }

  async close(): Promise<void> {
    await Promise.all(this.controllers.map((controller) => controller.kill()));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Appends connections that were seen, `web > cart 8080`, each a few times. */
  async seen(...connections: readonly string[]): Promise<void> {
    const lines = connections.flatMap((text) => {
      const [client, , server, port] = text.split(' ');
      return [0, 1].map(() => flowLine(`shop/${client} > shop/${server} ${port}`, this.#minute++));
    });
    await appendFile(this.flowFile, lines.join(''));
  }

  /** Everything that is on record, after proving that nothing of it was changed. */
  async audit(): Promise<readonly AuditEntry[]> {
    const [store, clock] = [this.api.asAdmin, systemClock];
    const log = new ConfigMapAuditLog({ store, namespace: 'nanoseg-system', clock, random: Math.random });
    const verdict = await log.verify();
    if (!verdict.intact) throw new Error(`${verdict.where}: ${verdict.message}`);
    return Array.fromAsync(log.entries());
  }

  /** `deployment-cart revision 1` of each time that something was put in force, in the order of the names. */
  async applied(): Promise<string[]> {
    const entries = (await this.audit()).filter(({ action }) => action === 'Applied');
    return entries.map(({ subject, message }) => `${subject.name} ${/revision \d+/.exec(message)?.[0]}`).sort();
  }

  /** `deployment-cart alice` of each approval that was counted, in the order of the names. */
  async approved(): Promise<string[]> {
    const entries = (await this.audit()).filter(({ action }) => action === 'Approved');
    return entries.map(({ subject, actor }) => `${subject.name} ${actor}`).sort();
  }

  proposal(workload: string): Promise<PolicyProposal | undefined> {
    return this.api.asAdmin.get({ kind: 'PolicyProposal', namespace: 'shop', name: `deployment-${workload}` });
  }

  /** The status of the proposal once it holds. */
  async until(
    t: ExecutionContext,
    workload: string,
    holds: ProposalState | ((status: ProposalStatus, proposal: PolicyProposal) => boolean),
  ): Promise<ProposalStatus> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const proposal = await this.proposal(workload).catch(() => undefined);
      const status = proposal?.status;
      const enough =
        proposal !== undefined &&
        status !== undefined &&
        (typeof holds === 'string' ? status.state === holds : holds(status, proposal));
      if (enough) return status;
      for (const controller of this.controllers) await controller.assertAlive();
      if (Date.now() > deadline) {
        t.log(JSON.stringify(status, undefined, 1));
        throw new Error(`not in time: ${workload} is ${String(holds)}`);
      }
      await sleep(20);
    }
  }

  /** Creates the decision about that digest as that person; answers with what the API server says. */
  async decideOn(user: KubeUser, workload: string, decision: Decision, digest: string): Promise<KubeReply> {
    const name = `deployment-${workload}-${decision.toLowerCase()}-${crypto.randomUUID().slice(0, 8)}`;
    const path = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
    const spec = { proposal: `deployment-${workload}`, digest, decision, reason: 'reviewed' };
    const approval = { apiVersion: 'nanoseg.io/v1alpha1', kind: 'PolicyApproval', metadata: { name }, spec };
    return this.api.request(user, 'POST', path, approval);
  }

  /** Decides about what the proposal says now; tries again while nobody stamps decisions. */
  async decide(t: ExecutionContext, user: KubeUser, workload: string, decision: Decision): Promise<string> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const status = (await this.proposal(workload))?.status;
      const digest = decision === 'Rollback' || decision === 'Retire' ? status?.enforced?.digest : status?.digest;
      const reply = digest === undefined ? 0 : (await this.decideOn(user, workload, decision, digest)).status;
      if (reply === 201 && digest !== undefined) return digest;
      if (Date.now() > deadline) {
        t.log(JSON.stringify(status, undefined, 1));
        throw new Error(`not in time: ${user} decides ${decision} of ${workload} (${reply})`);
      }
      await sleep(50);
    }
  }
}
