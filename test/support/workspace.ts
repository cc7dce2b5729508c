import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { DirectoryStore } from '../../controller/adapters/workspace/directory-store.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { tinyShop } from './tiny-shop.ts';

export interface Workspace {
  readonly root: string;
  readonly store: ObjectStore;
}

export const claimingProfile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec: { mode: enforce, cni: calico, approvals: { identity: Claimed } }
`;

/** A workspace directory with web, cart and db of the shop, these files and these proposals. */
export async function workspaceOf(
  t: ExecutionContext,
  proposals: readonly PolicyProposal[],
  files: Readonly<Record<string, string>> = { 'profiles/nanoseg-system/default.yaml': claimingProfile },
): Promise<Workspace> {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-workspace-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ 'cluster/shop.yaml': tinyShop, ...files })) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const store = new DirectoryStore({
    root,
    clock: { now: () => Date.now(), sleep: (ms, signal) => sleep(ms, undefined, { signal }) },
    report: ({ message, where }) => t.log(`${where}: ${message}`),
  });
  for (const proposal of proposals) await putProposal(store, proposal);
  return { root, store };
}

/** Stores a proposal with its status, as the controller does. */
export async function putProposal(store: ObjectStore, { status, ...proposal }: PolicyProposal): Promise<void> {
  const stored = await store.create<PolicyProposal>(proposal);
  if (status !== undefined) await store.updateStatus<PolicyProposal>({ ...stored, status });
}

/** Answers the first decision that appears in the namespace, as the controller would. */
export async function answerDecision(
  t: ExecutionContext,
  store: ObjectStore,
  namespace: string,
  counted: boolean,
  message: string,
  change: Partial<ProposalStatus> = {},
): Promise<PolicyApproval> {
  for (let tries = 0; tries < 400; tries++) {
    const [approval] = (await store.list<PolicyApproval>('PolicyApproval', namespace)).filter(({ status }) => !status);
    if (approval === undefined) {
      await sleep(20);
      continue;
    }
    const ref = { kind: 'PolicyProposal', namespace, name: approval.spec.proposal };
    const proposal = await store.get<PolicyProposal>(ref);
    if (proposal?.status === undefined) throw new Error('the decision is about no proposal');
    await store.updateStatus({ ...approval, status: { counted, message } });
    await store.updateStatus<PolicyProposal>({ ...proposal, status: { ...proposal.status, ...change } });
    return approval;
  }
  t.fail('no decision appeared');
  throw new Error('no decision appeared');
}
