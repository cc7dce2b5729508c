import type { ExecutionContext } from 'ava';
import test from 'ava';
import { run } from '../../../cli/program.ts';
import type { PolicyApproval } from '../../../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../../support/proposals.ts';
import { type CliResult, runCli } from '../../support/run-cli.ts';
import { answerDecision, type Workspace, workspaceOf } from '../../support/workspace.ts';

const enforced = {
  state: 'Enforced' as const,
  enforced: revisionOf(2, digestOf('e'), policyText('shop', 'db', 'web', 5432)),
  revisions: [revisionOf(1, digestOf('d'), policyText('shop', 'db', 'cart', 5432))],
};

/** Runs the command line with a person at the terminal who answers; the question stands in `err`. */
async function answered(answer: string | (() => Promise<string>), ...args: readonly string[]): Promise<CliResult> {
  let out = '';
  let err = '';
  const code = await run(
    args,
    {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      interactive: false,
      columns: 100,
      exit: () => undefined,
      ask: (question) => {
        err += question;
        return typeof answer === 'string' ? Promise.resolve(answer) : answer();
      },
    },
    '0.0.0',
  );
  return { code, out, err };
}

async function decisionsIn({ store }: Workspace): Promise<readonly PolicyApproval[]> {
  return store.list<PolicyApproval>('PolicyApproval');
}

const at = ({ root }: Workspace) => ['--workspace', root];

test('an approval names the digest, the reason, the expiry and who claims to give it', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const args = ['shop/cart', '--yes', '--wait', '0', '-m', 'reviewed', '--expires', '24h', '--as', 'zoe'];
  const { code, err } = await runCli('approve', ...args, ...at(workspace));
  t.is(code, 0);
  t.regex(err, /zoe: the identity is only claimed/);
  const [approval, ...others] = await decisionsIn(workspace);
  t.is(others.length, 0);
  t.regex(approval?.metadata.name ?? '', /^deployment-cart-approve-[0-9a-f]{8}$/);
  t.like(approval?.spec, {
    proposal: 'deployment-cart',
    digest: digestOf('a'),
    decision: 'Approve',
    reason: 'reviewed',
  });
  t.is(approval?.spec.claim?.user, 'zoe');
  const expiry = Date.parse(approval?.spec.expiresAt ?? '') - Date.now();
  t.true(expiry > 23 * 3_600_000 && expiry <= 24 * 3_600_000);
});

test('an expiry that is none is told how to write one', async (t) => {
  const { root } = await workspaceOf(t, []);
  for (const expiry of ['yesterday', '2026-99-99', '1999-01-01T00:00:00Z', '5']) {
    const { code, err } = await runCli('approve', 'shop/cart', '--expires', expiry, '--workspace', root);
    t.is(code, 2);
    t.regex(err, expiry.startsWith('1999') ? /in the past/ : /or a time like 2026-12-31T18:00:00Z/, expiry);
  }
});

test('without a yes nothing is approved, and where nobody can be asked the message says what to do', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const unasked = await runCli('approve', 'shop/cart', ...at(workspace));
  t.is(unasked.code, 2);
  t.regex(unasked.err, /nobody can be asked here \(ConfirmationMissing\)\n +Add --yes/);
  for (const answer of ['', 'n', 'maybe']) {
    const { code, err } = await answered(answer, 'approve', 'shop/cart', ...at(workspace));
    t.is(code, 2);
    t.regex(err, /nothing was decided\n$/);
  }
  t.deepEqual(await decisionsIn(workspace), []);
});

test('on a terminal the summary says what closes, what opens, and what a reviewer should doubt', async (t) => {
  const cart = proposalOf('shop', 'cart', {
    author: 'edited',
    change: 'Grow',
    enforced: revisionOf(1, digestOf('d'), policyText('shop', 'cart', 'db')),
    heldBack: { count: 1, items: [{ connection: 'shop/Deployment/scan>cart:TCP/1', message: 'looks like a scan' }] },
    proof: {
      ...proposalOf('shop', 'cart').status.proof,
      overGrants: ['DNS of the cluster (named allowance)'],
      wouldDeny: { count: 1, items: [{ connection: 'shop/Deployment/db>cart:TCP/2', message: 'no rule' }] },
    },
    live: { digest: digestOf('a'), since: 's', updatedAt: 'u', judged: 40, wouldDeny: 2, samples: [] },
  });
  const inForce = { 'cluster/policies.yaml': policyText('shop', 'cart', 'db') };
  const profile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: shop, name: default }
spec: { mode: propose, approvals: { identity: Claimed } }
`;
  const workspace = await workspaceOf(t, [cart], { ...inForce, 'profiles/shop/default.yaml': profile });
  const { code, err } = await answered('yes', 'approve', 'shop/cart', '--wait', '0', ...at(workspace));
  t.is(code, 0);
  for (const line of [
    /closes +3 of 4 pairs/,
    /rules +1 rule\n +from shop\/Deployment\/web to TCP 8080/,
    /over-grants +named allowance\n +DNS of the cluster/,
    /held back +1 connection\n.*looks like a scan/,
    /would deny +1 connection\n.*no rule/,
    /shadow +2 of 40 live flows would be denied/,
    /opens +2\n +from shop\/Deployment\/web to TCP 8080\n +from pods with app=web that may come/,
    /denies +2\n +from shop\/Deployment\/db to TCP 8080/,
    /WARNING +a person edited/,
    /WARNING +nothing will be applied yet: the mode of shop is propose \(shop\/default\)/,
    /WARNING +nobody checks who decides/,
    /Approve it\? \[y\/N\] /,
  ]) {
    t.regex(err, line);
  }
  t.is((await decisionsIn(workspace)).length, 1);
});

test('what changed between the question and the answer is not approved', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const { store } = workspace;
  const change = async () => {
    const ref = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };
    const stored = (await store.get<PolicyProposal>(ref)) as ReturnType<typeof proposalOf>;
    await store.updateStatus<PolicyProposal>({ ...stored, status: { ...stored.status, digest: digestOf('b') } });
    return 'y';
  };
  const { code, err } = await answered(change, 'approve', 'shop/cart', ...at(workspace));
  t.is(code, 2);
  t.regex(err, /was sha256:aaaaaaaaaaaa when it was shown, and is sha256:bbbbbbbbbbbb now \(ProposalChanged\)/);
  t.deepEqual(await decisionsIn(workspace), []);
});

test('an edit that the controller has not proved yet cannot be approved', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const { store } = workspace;
  const ref = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };
  const stored = (await store.get<PolicyProposal>(ref)) as PolicyProposal;
  await store.update<PolicyProposal>({
    ...stored,
    spec: { ...stored.spec, policies: policyText('shop', 'cart', 'web', 9090) },
  });
  const { code, err } = await runCli('approve', 'shop/cart', '--yes', ...at(workspace));
  t.is(code, 2);
  t.regex(err, /has not proved the new text yet/);
});

test('--digest holds an approval to what was reviewed', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const approve = (digest: string) =>
    runCli('approve', 'shop/cart', '--yes', '--wait', '0', '--digest', digest, ...at(workspace));
  const other = await approve(digestOf('b'));
  t.is(other.code, 2);
  t.regex(other.err, /is sha256:aaaaaaaaaaaa, not sha256:b+/);
  t.regex((await approve('aaaa')).err, /ArgumentInvalid/);
  t.is((await decisionsIn(workspace)).length, 0);
  t.is((await approve('sha256:aaaaaaaaaaaa')).code, 0);
});

const obstacles = test.macro(
  async (
    t: ExecutionContext,
    status: Parameters<typeof proposalOf>[2],
    args: readonly string[],
    message: RegExp,
  ): Promise<void> => {
    const workspace = await workspaceOf(t, [proposalOf('shop', 'cart', status)]);
    const [command = '', ...options] = args;
    const { code, err } = await runCli(command, 'shop/cart', '--yes', ...options, ...at(workspace));
    t.is(code, 2);
    t.regex(err, message);
    t.deepEqual(await decisionsIn(workspace), []);
  },
);

const learning = {
  state: 'Learning' as const,
  readiness: { state: 'learning' as const, coverage: '80%', missing: [{ code: 'x', message: 'no weekend yet' }] },
};
const current = revisionOf(3, digestOf('a'), policyText('shop', 'cart', 'web'));
test(
  'an invalid proposal cannot be approved',
  obstacles,
  { state: 'Invalid', message: 'a rule allows all' },
  ['approve'],
  /cannot be approved: a rule allows all/,
);
test(
  'a learning proposal needs --learning',
  obstacles,
  learning,
  ['approve'],
  /still learning \(no weekend yet\): --learning/,
);
test(
  'what is in force is not approved again',
  obstacles,
  { enforced: current },
  ['approve'],
  /in force as it is \(revision 3\)/,
);
test(
  'what is in force is rolled back, not rejected',
  obstacles,
  { enforced: current },
  ['reject'],
  /nanoseg rollback takes it back/,
);
test('nothing is rolled back where nothing is in force', obstacles, {}, ['rollback'], /no policy of nanoseg in force/);
test('nothing is retired where nothing is in force', obstacles, {}, ['retire'], /no policy of nanoseg in force/);

test('a learning proposal is approved with --learning', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart', learning)]);
  const { err } = await answered('y', 'approve', 'cart', '--learning', '--wait', '0', ...at(workspace));
  t.regex(err, /WARNING +not enough was seen: no weekend yet/);
  t.is((await decisionsIn(workspace)).length, 1);
});

test('where claims do not count a workspace says what to set instead of writing a worthless approval', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')], {});
  const { code, err } = await runCli('approve', 'shop/cart', '--yes', ...at(workspace));
  t.is(code, 2);
  t.regex(err, /its profile \(built-in\) must say approvals\.identity: Claimed/);
  t.deepEqual(await decisionsIn(workspace), []);
});

test('several are approved in one go with one question, and --all takes what is ready', async (t) => {
  const workspace = await workspaceOf(t, [
    proposalOf('shop', 'cart'),
    proposalOf('shop', 'web', learning),
    proposalOf('shop', 'db'),
    proposalOf('blog', 'api'),
  ]);
  const { err } = await answered('y', 'approve', '--all', '-n', 'shop', '--wait', '0', ...at(workspace));
  t.regex(err, /shop\/deployment\/cart {2}Ready.*shop\/deployment\/db {2}Ready.*Approve all 2 of them\? \[y\/N\] /s);
  t.is(err.split('nobody checks who decides').length, 2, 'what holds for all of them is said once');
  t.deepEqual((await decisionsIn(workspace)).map(({ spec }) => spec.proposal).sort(), [
    'deployment-cart',
    'deployment-db',
  ]);
});

test('several are added up right before the question, with the names of those to look at', async (t) => {
  const scan = { connection: 'workload:shop/Pod/scan>workload:shop/Deployment/cart:TCP/22', message: 'a scan' };
  const missed = { ...scan, connection: 'workload:shop/Pod/a>workload:shop/Deployment/cart:TCP/9', message: 'no rule' };
  const { proof } = proposalOf('shop', 'cart').status;
  const cart = proposalOf('shop', 'cart', {
    heldBack: { count: 1, items: [scan] },
    proof: {
      ...proof,
      overGrants: ['egress dns UDP 53 (cluster-dns)'],
      wouldDeny: { count: 2, items: [scan, missed] },
    },
  });
  const db = proposalOf('shop', 'db', { proof: { ...proof, overGrants: ['ingress x TCP 1'] } });
  const workspace = await workspaceOf(t, [cart, db]);
  const { err } = await answered('n', 'approve', 'shop/cart', 'shop/db', ...at(workspace));
  const together = err.slice(err.indexOf('all 2 together\n'));
  for (const line of [
    /over-grants 2 kinds\n +cluster-dns: shop\/deployment\/cart\n +1 never seen: shop\/deployment\/db\n/,
    /held back +1 connection in 1 of 2\n +shop\/deployment\/cart: 1\n/,
    /would deny +1 connection in 1 of 2\n +shop\/deployment\/cart: 1\n/,
    /shadow +no live flow would be denied\n/,
    /opens +nothing\n/,
  ]) {
    t.regex(together, line);
  }
});

test('one that is not possible keeps all of a command from being decided', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart'), proposalOf('shop', 'web', learning)]);
  const { code } = await runCli('approve', 'shop/cart', 'shop/web', '--yes', ...at(workspace));
  t.is(code, 2);
  t.deepEqual(await decisionsIn(workspace), []);
});

test('rollback and retire are about the digest in force, and say what they open', async (t) => {
  const files = {
    'cluster/policies.yaml': policyText('shop', 'db', 'web', 5432),
    'profiles/nanoseg-system/default.yaml': `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec: { mode: enforce, approvals: { identity: Claimed } }
`,
  };
  const workspace = await workspaceOf(t, [proposalOf('shop', 'db', enforced)], files);
  const rollback = await answered('y', 'rollback', 'shop/db', '--wait', '0', ...at(workspace));
  t.regex(
    rollback.err,
    /back to +revision 1 of .*, approved by alice\n +opens +1\n +shop\/Deployment\/cart > shop\/Deployment\/db TCP 5432/,
  );
  const retire = await answered('y', 'retire', 'shop/db', '--wait', '0', ...at(workspace));
  t.regex(retire.err, /opens +\d+\n/);
  t.regex(retire.err, /WARNING +this opens the network/);
  t.deepEqual((await decisionsIn(workspace)).map(({ spec }) => `${spec.decision} ${spec.digest}`).sort(), [
    `Retire ${digestOf('e')}`,
    `Rollback ${digestOf('e')}`,
  ]);
});

test('the command waits for what becomes of the decision, and says it', async (t) => {
  const outcome = async (
    counted: boolean,
    message: string,
    change: Parameters<typeof answerDecision>[5],
    ...args: readonly string[]
  ) => {
    const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
    const [result] = await Promise.all([
      runCli('approve', 'shop/cart', '--yes', ...args, ...at(workspace)),
      answerDecision(t, workspace.store, 'shop', counted, message, change),
    ]);
    return result;
  };
  const inForce = {
    state: 'Enforced' as const,
    enforced: revisionOf(1, digestOf('a'), policyText('shop', 'cart', 'web')),
  };
  t.like(await outcome(true, 'counts', inForce), {
    code: 0,
    out: 'shop/deployment/cart: enforced as revision 1\n',
  });
  t.like(await outcome(true, 'counts', { approvals: { required: 2, given: [], ignored: [] } }), {
    code: 0,
    out: 'shop/deployment/cart: it counts; 1 more approver needed\n',
  });
  t.like(await outcome(false, 'the controller may not approve', {}), {
    code: 1,
    out: 'shop/deployment/cart: the decision counts for nothing: the controller may not approve\n',
  });
  const json = await outcome(true, 'counts', inForce, '-o', 'json');
  t.like(JSON.parse(json.out)[0], {
    namespace: 'shop',
    proposal: 'deployment-cart',
    decision: 'Approve',
    digest: digestOf('a'),
    result: 'done',
  });
});

test('a wish to retire that counts says how many more people it takes, and does not wait for them', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'db', enforced)]);
  const [{ code, out }] = await Promise.all([
    runCli('retire', 'shop/db', '--yes', '--wait', '20s', ...at(workspace)),
    answerDecision(t, workspace.store, 'shop', true, 'counts', { approvals: { required: 2, given: [], ignored: [] } }),
  ]);
  t.is(code, 0);
  t.is(out, 'shop/deployment/db: it counts; 1 more approver needed\n');
});

test('a controller that does not answer in time is said, and is no failure', async (t) => {
  const workspace = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const { code, out } = await runCli('approve', 'shop/cart', '--yes', '--wait', '1s', ...at(workspace));
  t.is(code, 0);
  t.regex(out, /recorded, and the controller has not answered yet/);
});
