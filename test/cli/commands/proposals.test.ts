import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { run } from '../../../cli/program.ts';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../../support/proposals.ts';
import { runCli } from '../../support/run-cli.ts';
import { putProposal, workspaceOf } from '../../support/workspace.ts';

const deviation = {
  connection: 'shop/Deployment/batch>shop/Deployment/db:TCP/5432',
  verdict: 'denied' as const,
  firstSeen: '2026-11-01T10:00:00.000Z',
  lastSeen: '2026-11-01T11:00:00.000Z',
  times: 3,
  message: 'no rule lets it in',
};
const enforced = proposalOf('shop', 'db', {
  state: 'Enforced',
  change: 'None',
  enforced: revisionOf(2, digestOf('a'), policyText('shop', 'db', 'web', 5432)),
  deviations: [deviation],
});
const all = [proposalOf('shop', 'cart'), enforced, proposalOf('blog', 'api', { state: 'Learning' })];

test('proposals are a table, by namespace and name, of what a person decides by', async (t) => {
  const { root } = await workspaceOf(t, all);
  const { code, out } = await runCli('proposals', '--workspace', root);
  t.is(code, 0);
  t.is(
    out.replaceAll(/ +\d+s$/gm, ' AGE'),
    'NAMESPACE  WORKLOAD         STATE     CHANGE  RULES  COVERAGE  CLOSES        OVER-GRANT  REVISION  AGE\n' +
      'blog       deployment/api   Learning  New         1     99.7%  3 of 4 pairs  none               - AGE\n' +
      'shop       deployment/cart  Ready     New         1     99.7%  3 of 4 pairs  none               - AGE\n' +
      'shop       deployment/db    Enforced  None        1     99.7%  3 of 4 pairs  none               2 AGE\n',
  );
});

test('proposals are chosen by state, namespace and workload', async (t) => {
  const { root } = await workspaceOf(t, all);
  const names = async (...args: string[]) =>
    (await runCli('proposals', '-o', 'name', ...args, '--workspace', root)).out.split('\n').slice(0, -1);
  t.deepEqual(await names(), ['blog/deployment-api', 'shop/deployment-cart', 'shop/deployment-db']);
  t.deepEqual(await names('--state', 'ready,Learning'), ['blog/deployment-api', 'shop/deployment-cart']);
  t.deepEqual(await names('--state', 'Enforced', 'Ready', '-n', 'shop'), [
    'shop/deployment-cart',
    'shop/deployment-db',
  ]);
  t.deepEqual(await names('--workload', 'deploy/db'), ['shop/deployment-db']);
  t.deepEqual(await names('--workload', 'sts/db'), []);
  const wrong = await runCli('proposals', '--state', 'Done', '--workspace', root);
  t.is(wrong.code, 2);
  t.regex(wrong.err, /Allowed choices are Learning, Ready,/);
});

test('proposals as JSON and as YAML are the objects as they are stored', async (t) => {
  const { root, store } = await workspaceOf(t, all);
  const json = JSON.parse((await runCli('proposals', '-o', 'json', '--workspace', root)).out);
  const stored = await store.list<PolicyProposal>('PolicyProposal');
  t.deepEqual(new Set(json.map(JSON.stringify)), new Set(stored.map((proposal) => JSON.stringify(proposal))));
  const { out } = await runCli('proposals', '-n', 'blog', '-o', 'yaml', '--workspace', root);
  t.regex(out, /^apiVersion: nanoseg\.io\/v1alpha1\nkind: PolicyProposal\n/);
  t.regex(out, /^ +# from blog\/Deployment\/web to TCP 8080/m);
});

test('a watched list prints a proposal again when it changes, and ends when it is interrupted', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const interruption = new AbortController();
  let out = '';
  const ended = run(
    ['proposals', '--watch', '--workspace', root],
    {
      out: (text) => void (out += text),
      err: (text) => t.log(text),
      interactive: false,
      columns: 100,
      exit: () => undefined,
      interrupted: () => interruption.signal,
    },
    '0.0.0',
  );
  const until = async (pattern: RegExp) => {
    for (let tries = 0; tries < 500 && !pattern.test(out); tries++) await sleep(20);
    t.regex(out, pattern);
  };
  await until(/deployment\/cart +Ready/);
  await putProposal(store, proposalOf('shop', 'db', { state: 'Learning' }));
  await until(/deployment\/db +Learning/);
  await store.remove({ kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' });
  await until(/deployment\/cart +Deleted/);
  interruption.abort();
  t.is(await ended, 0);
  t.deepEqual(
    out.split('\n').map((line) => line.split(/ +/, 3).join(' ')),
    [
      'NAMESPACE WORKLOAD STATE',
      'shop deployment/cart Ready',
      'shop deployment/db Learning',
      'shop deployment/cart Deleted',
      '',
    ],
  );
});

test('show says everything, and what came from others cannot steer the terminal', async (t) => {
  const cart = proposalOf('shop', 'cart', {
    message: 'looks \u001b[31mred',
    approvals: {
      required: 2,
      given: [{ approval: 'x', user: 'alice', time: new Date().toISOString(), identity: 'Claimed' }],
      ignored: [{ approval: 'y', because: 'it is expired' }],
    },
    heldBack: { count: 60, items: [{ connection: 'a>b', message: 'a scanner' }] },
    omissions: { count: 1, items: [{ connection: 'c>d', message: 'no selector' }] },
    revisions: [revisionOf(1, digestOf('d'), ''), revisionOf(0, '', '')],
    enforced: revisionOf(2, digestOf('e'), policyText('shop', 'cart', 'db')),
    drift: { policy: 'nanoseg-cart', message: 'somebody opened it', since: '2026-11-01T10:00:00.000Z' },
    deviations: [deviation],
    newer: { digest: digestOf('f'), policies: policyText('shop', 'cart', 'web', 1) },
    previous: { digest: digestOf('c'), policies: policyText('shop', 'cart', 'web', 2), changedAt: 'then' },
  });
  const { root } = await workspaceOf(t, [cart]);
  const { code, out } = await runCli('show', 'shop/cart', '--workspace', root);
  t.is(code, 0);
  for (const line of [
    /state +Ready: looks \?\[31mred/,
    /Rules \(2\)\n {2}from shop\/Deployment\/web to TCP 8080\n {2}nothing is let out/,
    /Evidence \(1 connection\)/,
    /Proof: valid\n {2}passed {2}evidence: all evidence stays allowed/,
    /Held back.*\(60\)\n {2}a>b: a scanner\n {2}and 59 connections more, all of them in nanoseg ui and at GET \/api\/v1\/proposals\/shop\/deployment-cart\/held-back\n/,
    /Seen, but no rule is written for it \(1\)/,
    /Approvals\n {2}1 of 2 needed\n {2}given by alice \(claimed\) \d+s ago \(x\)\n {2}ignored: y: it is expired/,
    /Drift \(1\)\n {2}nanoseg-cart: somebody opened it/,
    /Deviations \(1\)\n.*batch.*denied, 3 times/,
    /Revisions \(3\)\n {2}2 .*by alice.*in force\n {2}1 .*no policy of nanoseg/,
    /nanoseg diff --newer/,
    /nanoseg diff --previous/,
    /Policies \(deployment-cart\)\n# nanoseg: /,
  ]) {
    t.regex(out, line);
  }
  t.is((await runCli('show', 'shop/cart', '-o', 'policies', '--workspace', root)).out, cart.spec.policies);
});

test('the rules that are shown are what the policies mean, whatever their comments say', async (t) => {
  const text = policyText('shop', 'cart', 'web').replace('app: web', 'app: db');
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart', {}, { policies: text })]);
  const { out } = await runCli('show', 'shop/cart', '--workspace', root);
  t.regex(out, /Rules \(2\)\n {2}from shop\/Deployment\/db to TCP 8080\n/);
});

test('diff compares a proposal with what is in force: the text, and who may talk', async (t) => {
  const cart = proposalOf('shop', 'cart', {
    enforced: revisionOf(1, digestOf('d'), policyText('shop', 'cart', 'db')),
    previous: { digest: digestOf('c'), policies: policyText('shop', 'cart', 'web', 9), changedAt: 'then' },
  });
  const { root } = await workspaceOf(t, [cart, enforced], {
    'cluster/policies.yaml': policyText('shop', 'cart', 'db'),
    'profiles/nanoseg-system/default.yaml':
      'apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { namespace: nanoseg-system, name: default }\nspec: { cni: calico }\n',
  });
  const diff = (...args: string[]) => runCli('diff', ...args, '--workspace', root);
  const { code, out } = await diff('shop/cart');
  t.is(code, 1);
  t.regex(out, /^--- in force, revision 1\n\+\+\+ proposed sha256:aaaaaaaaaaaa\n@@ /);
  t.regex(out, /^- +app: db\n\+ +app: web$/m);
  t.regex(out, /May talk, and may not now \(1\)\n {2}shop\/Deployment\/web > shop\/Deployment\/cart TCP 8080/);
  t.regex(out, /May not talk any more \(1\)\n {2}shop\/Deployment\/db > shop\/Deployment\/cart TCP 8080/);
  const json = JSON.parse((await diff('shop/cart', '-o', 'json')).out);
  t.is(json.pairs.length, 2);
  t.deepEqual(json.pairs.at(-1).gained, [{ protocol: 'TCP', ports: [[8080, 8080]] }]);
  const previous = await diff('shop/cart', '--previous');
  t.regex(previous.out, /^--- proposed before sha256:cccccccccccc\n(?:.*\n)*?- +port: 9\n\+ +port: 8080$/m);
  const none = await diff('shop/cart', '--newer');
  t.is(none.code, 2);
  t.regex(none.err, /is what nanoseg would write/);
});

test('deviations are a finding, and none are none', async (t) => {
  const { root } = await workspaceOf(t, all);
  const found = await runCli('deviations', '--workspace', root);
  t.is(found.code, 1);
  t.regex(found.out, /^shop +deployment\/db +denied +3 .*batch/m);
  const json = await runCli('deviations', 'shop/db', '-o', 'json', '--workspace', root);
  t.deepEqual(JSON.parse(json.out), [
    { namespace: 'shop', proposal: 'deployment-db', workloads: ['Deployment/db'], ...deviation },
  ]);
  t.like(await runCli('deviations', 'shop/cart', '--workspace', root), { code: 0, out: '', err: 'no deviations\n' });
});
