import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runCli } from '../support/run-cli.ts';
import { flowLine } from '../support/tiny-shop.ts';
import { workspaceOf } from '../support/workspace.ts';

const profile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec:
  mode: enforce
  cni: calico
  learning: { bin: 60s, window: 5m, coverage: 0, bins: 1, startUps: false }
  approvals: { identity: Claimed }
`;

test('a workspace goes from flows to enforced policies and back, by the command line alone', async (t) => {
  const { root } = await workspaceOf(t, [], { 'profiles/nanoseg-system/default.yaml': profile });
  const flows = join(root, 'flows.jsonl');
  const minutes = Array.from({ length: 20 }, (_, minute) => minute);
  await writeFile(
    flows,
    minutes
      .flatMap((minute) => [
        flowLine('shop/web > shop/cart 8080', minute),
        flowLine('shop/cart > shop/db 5432', minute),
      ])
      .join(''),
  );
  const nanoseg = (...args: string[]) => runCli(...args, '--workspace', root);
  const turn = () => nanoseg('controller', '--flows', flows, '--once', '--interval', '1s', '--log-level', 'error');
  const state = async () => {
    const { out } = await nanoseg('proposals', '--workload', 'cart', '-o', 'json');
    return (JSON.parse(out) as { status: { state: string } }[]).map(({ status }) => status.state);
  };

  t.is((await turn()).code, 0);
  t.deepEqual(await state(), ['Ready']);
  const show = await nanoseg('show', 'shop/cart');
  t.regex(
    show.out,
    /Rules \(2\)\n {2}from shop\/Deployment\/web to TCP 8080\n {2}to shop\/Deployment\/db on TCP 5432\n/,
  );
  t.regex(show.out, /Evidence \(2 connections\)\n {2}shop\/Deployment\/cart > shop\/Deployment\/db TCP 5432\n/);

  t.is((await nanoseg('approve', 'shop/cart', '--yes', '--wait', '0', '--as', 'alice', '-m', 'reviewed')).code, 0);
  t.is((await turn()).code, 0);
  t.deepEqual(await state(), ['Enforced']);
  t.like(await nanoseg('diff', 'shop/cart'), { code: 0 });
  t.regex((await nanoseg('show', 'shop/cart')).out, /Revisions .*\n {2}1 .*by alice \(claimed\).*in force/);
  t.regex((await nanoseg('status')).out, /^pods +1 of 3 isolated for ingress, 1 for egress$/m);
  t.regex((await nanoseg('approve', 'shop/cart', '--yes')).err, /in force as it is \(revision 1\)/);

  t.is((await nanoseg('rollback', 'shop/cart', '--yes', '--wait', '0', '-m', 'too early')).code, 0);
  t.is((await turn()).code, 0);
  t.deepEqual(await state(), ['RolledBack']);
  t.regex((await nanoseg('status')).out, /^pods +0 of 3 isolated/m);

  const actions = JSON.parse((await nanoseg('audit', '--name', 'deployment-cart', '-o', 'json')).out);
  t.deepEqual(
    (actions as { action: string; actor: string }[]).map(({ action, actor }) => `${action} ${actor}`).slice(0, 3),
    ['Proposed nanoseg', 'Approved alice (claimed)', 'Applied alice (claimed)'],
  );
  t.is((await nanoseg('audit', 'verify')).code, 0);
});

test('a controller on what is no directory, or without a kubeconfig, says so', async (t) => {
  const { code, err } = await runCli('controller', '--workspace', '/nowhere', '--once');
  t.is(code, 2);
  t.regex(err, /the workspace is no directory \(InputNotFound\)/);
  const unconfigured = await runCli('controller', '--kubeconfig', '/nowhere/config');
  t.is(unconfigured.code, 2);
  t.regex(unconfigured.err, /\(KubeconfigUnusable\)/);
});
