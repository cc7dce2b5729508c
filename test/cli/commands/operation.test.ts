import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../../support/proposals.ts';
import { runCli } from '../../support/run-cli.ts';
import { workspaceOf } from '../../support/workspace.ts';

const cart = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };

/** An editor that runs this shell command on the file `$1`. */
async function editorDoing(t: ExecutionContext, command: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-editor-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'editor');
  await writeFile(file, `#!/bin/sh\n${command}\n`);
  await chmod(file, 0o755);
  return file;
}

// the editor is chosen by the environment of the process, which all tests of a file share
test.serial('an edit is saved as the new text of the proposal', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  process.env['EDITOR'] = await editorDoing(t, 'sed -i s/8080/9090/ "$1"');
  const { code, out } = await runCli('edit', 'shop/cart', '--wait', '0', '--workspace', root);
  t.is(code, 0);
  t.is(out, 'shop/deployment/cart: saved\n  the controller has not proved it yet\n');
  const stored = await store.get<PolicyProposal>(cart);
  t.is(stored?.spec.policies, policyText('shop', 'cart', 'web', 9090));
  t.is(stored?.metadata.generation, 2);
});

test.serial('an edit without a change is no edit', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  process.env['EDITOR'] = 'true';
  const { code, err } = await runCli('edit', 'shop/cart', '--workspace', root);
  t.is(code, 0);
  t.is(err, 'nothing changed, nothing saved\n');
  t.is((await store.get<PolicyProposal>(cart))?.metadata.generation, 1);
});

test.serial('an edit that cannot be read is not saved, and its text is kept where the message says', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  for (const [command, message] of [
    ['sed -i s/ingress:/_ingress:/ "$1"', /_ingress/],
    ['sed -i "s/namespace: shop/namespace: blog/" "$1"', /is in namespace blog, the proposal in shop/],
    ['sed -i "s/kind: NetworkPolicy/kind: Secret/" "$1"', /Secret nanoseg-cart is no NetworkPolicy/],
    [': > "$1"', /holds no NetworkPolicy/],
    ['echo changed >> "$1"; exit 3', /ended with 3/],
  ] as const) {
    process.env['EDITOR'] = await editorDoing(t, command);
    const { code, err } = await runCli('edit', 'shop/cart', '--workspace', root);
    t.is(code, 2);
    t.regex(err, message);
    const file = / kept in (\S+) \(/.exec(err)?.[1] ?? '';
    t.is(typeof (await readFile(file, 'utf8')), 'string');
    await rm(join(file, '..'), { recursive: true });
  }
  t.is((await store.get<PolicyProposal>(cart))?.metadata.generation, 1);
});

test.serial('an edit of what somebody else changed meanwhile is not saved over it', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart')]);
  const file = join(root, 'proposals/shop/deployment-cart.yaml');
  process.env['EDITOR'] = await editorDoing(t, `sed -i s/8080/7070/ ${file}; sed -i s/8080/9090/ "$1"`);
  const { code, err } = await runCli('edit', 'shop/cart', '--workspace', root);
  t.is(code, 2);
  t.regex(err, /\(ObjectChanged\)/);
  t.regex((await store.get<PolicyProposal>(cart))?.spec.policies ?? '', /port: 7070/);
  await rm(join(/ kept in (\S+) \(/.exec(err)?.[1] ?? '/nowhere', '..'), { recursive: true });
});

test('edit --reset asks for the policies of nanoseg again', async (t) => {
  const { root, store } = await workspaceOf(t, [proposalOf('shop', 'cart', { author: 'edited' })]);
  const { out } = await runCli('edit', 'shop/cart', '--reset', '--wait', '0', '--workspace', root);
  t.regex(out, /^shop\/deployment\/cart: reset\n/);
  t.is((await store.get<PolicyProposal>(cart))?.spec.policies, '');
});

test('status says how many pods are isolated and why the others are not, the modes and what is wrong', async (t) => {
  const broken = proposalOf('shop', 'web', { state: 'Invalid', message: 'a rule allows all' });
  const drifted = proposalOf('shop', 'cart', {
    state: 'Enforced',
    enforced: revisionOf(1, digestOf('a'), policyText('shop', 'cart', 'web')),
    drift: { policy: 'nanoseg-cart', message: 'somebody opened it', since: 'then' },
  });
  const { root } = await workspaceOf(t, [broken, drifted], {
    'cluster/policies.yaml': policyText('shop', 'cart', 'web'),
    'profiles/shop/default.yaml':
      'apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { namespace: shop, name: default }\nspec: { mode: enforce }\n',
  });
  const { code, out } = await runCli('status', '--workspace', root);
  t.is(code, 0);
  t.regex(out, /^pods +1 of 3 isolated for ingress, 1 for egress$/m);
  t.regex(out, /^shop +enforce +no +3 +1 \(33%\) +1 \(33%\) +1 Enforced, 1 Invalid$/m);
  t.regex(out, /^Not isolated in both directions \(2\)\n {2}shop: 1 pod: /m);
  t.regex(out, /Invalid: a rule allows all/);
  t.regex(out, /nanoseg-cart drifted: somebody opened it/);
  const json = JSON.parse((await runCli('status', '-o', 'json', '--workspace', root)).out);
  t.like(json.namespaces[0], {
    namespace: 'shop',
    mode: 'enforce',
    profile: 'shop/default',
    proposals: { Enforced: 1, Invalid: 1 },
  });
  t.like(json.namespaces[0].coverage, { pods: 3, isolatedIngress: 1, isolatedEgress: 1 });
});

test('status names closed namespaces, and loudly who may talk to everybody in them', async (t) => {
  const managed = 'labels: { app.kubernetes.io/managed-by: nanoseg }';
  const closing = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: nanoseg-default-deny, namespace: shop, ${managed} }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
`;
  const allowance = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nanoseg-learning-web
  namespace: shop
  ${managed}
  annotations: { nanoseg.io/allowance-for: Deployment/web, nanoseg.io/expires: "2026-11-30T12:00:00.000Z" }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}] }
`;
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart')], {
    'policies/shop/nanoseg-default-deny.yaml': closing,
    'policies/shop/nanoseg-learning-web.yaml': allowance,
  });
  const { out } = await runCli('status', '--workspace', root);
  t.regex(out, /^shop +propose +yes +3 /m);
  t.regex(
    out,
    /^LEARNING +shop\/Deployment\/web may talk to everybody, and everybody to it, until 2026-11-30T12:00:00/m,
  );
  const json = JSON.parse((await runCli('status', '-o', 'json', '--workspace', root)).out);
  t.like(json.namespaces[0], {
    closed: true,
    learning: [{ workload: 'Deployment/web', policy: 'nanoseg-learning-web', until: '2026-11-30T12:00:00.000Z' }],
  });
});

test('the file of a profile that cannot be read is one problem, nothing is decided by it, and the kill switch works', async (t) => {
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart'), proposalOf('blog', 'api')], {
    'profiles/default.yaml': 'kind: SegmentationProfile\n a: [\n',
  });
  const run = (...args: string[]) => runCli(...args, '--workspace', root);
  const json = JSON.parse((await run('status', '-o', 'json')).out);
  t.deepEqual(
    json.problems.map(({ message }: { message: string }) => /profiles\/default\.yaml:\d/.test(message)),
    [true],
  );
  t.is(json.namespaces[0].mode, 'observe');
  const approve = await run('approve', 'shop/cart', '--yes');
  t.is(approve.code, 2);
  t.regex(approve.err, /can only be observed: .*correct the file/);
  t.is((await run('stop', '-m', 'incident')).code, 0);
  t.regex((await run('status')).out, /^STOPPED +.*: incident$/m);
  // a second profile would count once the first can be read again
  t.deepEqual(await readdir(join(root, 'profiles')), ['default.yaml']);
});

test('what cannot be approved under a broken profile cannot be rolled back by a claim either', async (t) => {
  const inForce = { enforced: revisionOf(1, digestOf('e'), policyText('shop', 'cart', 'web')) };
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart', inForce)], {
    'profiles/default.yaml': 'kind: SegmentationProfile\n a: [\n',
  });
  const { code, err } = await runCli('rollback', 'shop/cart', '--yes', '--workspace', root);
  t.is(code, 2);
  t.regex(err, /can only be observed/);
});

test('of two profiles of one name neither counts', async (t) => {
  const profile = (mode: string) =>
    `apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { namespace: nanoseg-system, name: default }\nspec: { mode: ${mode} }\n`;
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart')], {
    'profiles/a.yaml': profile('enforce'),
    'profiles/b.yaml': profile('propose'),
  });
  const { out } = await runCli('status', '--workspace', root);
  t.regex(out, /^shop +observe /m);
  t.regex(out, /SegmentationProfile nanoseg-system\/default differs from the one at .*: neither counts/);
});

test('a profile that cannot be used is a problem, and its namespace is only observed', async (t) => {
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart')], {
    'profiles/shop/default.yaml':
      'apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { namespace: shop, name: default }\nspec: { mode: enforced }\n',
  });
  const { out } = await runCli('status', '--workspace', root);
  t.regex(out, /^shop +observe /m);
  t.regex(out, /spec\.mode/);
  const approve = await runCli('approve', 'shop/cart', '--yes', '--workspace', root);
  t.is(approve.code, 2);
  t.regex(approve.err, /can only be observed: spec\.mode/);
});

test('the kill switch of the cluster and those of namespaces are thrown and taken back one by one', async (t) => {
  for (const files of [undefined, {}]) {
    const { root } = await workspaceOf(t, [proposalOf('shop', 'cart')], files);
    const run = (...args: string[]) => runCli(...args, '--workspace', root);
    const stopped = async () => JSON.parse((await run('status', '-o', 'json')).out).stopped;
    t.is((await run('stop')).code, 2);
    t.is((await run('resume')).code, 0);
    t.is((await run('stop', '-m', 'incident')).code, 0);
    t.is((await run('stop', '-n', 'shop', '-m', 'release')).code, 0);
    t.deepEqual(await stopped(), [{ reason: 'incident' }, { namespace: 'shop', reason: 'release' }]);
    t.regex((await run('status')).out, /^STOPPED +nothing is written in shop: release$/m);
    t.is((await run('resume')).code, 0);
    t.deepEqual(await stopped(), [{ namespace: 'shop', reason: 'release' }]);
    t.is((await run('resume', '-n', 'shop')).code, 0);
    t.deepEqual(await stopped(), []);
  }
});

test('a switch that stands in a manifest of its own is not taken back in silence', async (t) => {
  const { root } = await workspaceOf(t, [], {
    'profiles/nanoseg-system/default.yaml':
      'apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { namespace: nanoseg-system, name: default, annotations: { nanoseg.io/stop: by hand } }\n',
  });
  const { code, err } = await runCli('resume', '--workspace', root);
  t.is(code, 2);
  t.regex(err, /still stopped: by hand/);
});

test('a namespace that does not exist cannot be stopped', async (t) => {
  const { root } = await workspaceOf(t, []);
  const { code, err } = await runCli('stop', '-n', 'shpo', '-m', 'x', '--workspace', root);
  t.is(code, 2);
  t.regex(err, /shpo.*\(ObjectMissing\)/);
});

test('bash completes commands, options, choices and the names of proposals', async (t) => {
  const { root } = await workspaceOf(t, [proposalOf('shop', 'cart'), proposalOf('blog', 'api')]);
  const { out: script } = await runCli('completion', 'bash');
  const names = (await runCli('__complete', '--workspace', root)).out;
  t.is(names, 'blog/deployment/api\nshop/deployment/cart\n');
  const complete = async (...words: string[]) => {
    // the real shell runs the script; the program that it asks for names is a function with the same answer
    const program = `nanoseg() { printf '%b' ${JSON.stringify(names)}; }`;
    const line = `COMP_WORDS=(${words.map((word) => JSON.stringify(word)).join(' ')}); COMP_CWORD=${words.length - 1}`;
    const text = `${script}\n${program}\n${line}\n_nanoseg\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', text]);
    return stdout.split('\n').filter((word) => word !== '');
  };
  t.deepEqual(await complete('nanoseg', 'app'), ['approve']);
  t.deepEqual(await complete('nanoseg', 'approve', 'sh'), ['shop/deployment/cart']);
  t.deepEqual(await complete('nanoseg', 'approve', '--work'), ['--workspace']);
  t.deepEqual(await complete('nanoseg', 'proposals', '-o', 'w'), ['wide']);
  t.false((await complete('nanoseg', '')).includes('__complete'));
});

test('completion of names keeps quiet where there is nothing to ask', async (t) => {
  t.deepEqual(await runCli('__complete', '--workspace', '/nowhere', '-n'), { code: 0, out: '', err: '' });
  t.deepEqual(await runCli('__complete', '--workspace', '/nowhere'), { code: 0, out: '', err: '' });
});

test('every shell gets every command', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await runCli('completion', shell);
    t.is(code, 0);
    for (const command of ['analyze', 'proposals', 'approve', 'rollback', 'status', 'audit', 'completion']) {
      t.true(out.includes(command), `${shell} ${command}`);
    }
  }
  t.is((await runCli('completion', 'tcsh')).code, 2);
});

test('a workspace that is none and a kubeconfig that is none are said', async (t) => {
  const nowhere = await runCli('proposals', '--workspace', '/nowhere');
  t.is(nowhere.code, 2);
  t.regex(nowhere.err, /the workspace is no directory/);
  const unconfigured = await runCli('proposals', '--kubeconfig', '/nowhere/config');
  t.is(unconfigured.code, 2);
  t.regex(unconfigured.err, /\(KubeconfigUnusable\)/);
  const both = await runCli('proposals', '--kubeconfig', '/nowhere/config', '--workspace', '/tmp');
  t.regex(both.err, /either --workspace or a kubeconfig/);
});

test('the help of each command teaches with an example, in the words of the plugin when it is one', async (t) => {
  const { out: help } = await runCli('--help');
  const commands = [...help.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)].map((match) => match[1] ?? '');
  t.true(commands.length > 15);
  for (const command of commands.filter((name) => name !== 'help')) {
    const { code, out } = await runCli(command, '--help');
    t.is(code, 0);
    t.regex(out, new RegExp(`\\$ .*nanoseg ${command}`), command);
  }
});
