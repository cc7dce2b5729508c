import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryFeed } from '../../../controller/adapters/workspace/directory-feed.ts';
import type { NetworkPolicy } from '../../../controller/model/network-policy.ts';
import { renderYaml } from '../../../controller/policy/render-yaml.ts';
import { objectFeedContract } from '../../contract/object-feed.ts';
import { approvalIn, policyIn, proposalIn } from '../../contract/sample-objects.ts';
import { eventually, RecordingSink } from '../../support/recording-sink.ts';
import { openWorkspace } from './open-workspace.ts';

objectFeedContract(test, 'workspace directory', async (t) => {
  const { root, store } = await openWorkspace(t);
  return { store, namespace: 'shop', feed: new DirectoryFeed({ root, clock: systemClock }) };
});

const pod = (name: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\nspec: {nodeName: node-a}\n`;
const profile = (mode: string) =>
  `apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: default, namespace: shop}\nspec: {mode: ${mode}}\n`;

async function watched(t: ExecutionContext, files: Readonly<Record<string, string>>, settleMs = 60) {
  const workspace = await openWorkspace(t);
  for (const [path, text] of Object.entries(files)) await workspace.write(path, text);
  const sink = new RecordingSink();
  const stop = new AbortController();
  const feed = new DirectoryFeed({ root: workspace.root, clock: systemClock, settleMs });
  const running = feed.run(sink, stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  await eventually(() => sink.isSynced, 'everything was told once');
  const problems = () => [...sink.problems.values()].map(({ code }) => code).sort();
  return { ...workspace, sink, problems };
}

test('manifests that come, change and go are told, also in folders that are new', async (t) => {
  const { root, write, sink } = await watched(t, { 'cluster/a.yaml': pod('a') });
  t.deepEqual(sink.names('Pod'), ['shop/a']);
  await write('cluster/new/b.yaml', `${pod('b')}---\n${pod('c')}`);
  await eventually(() => sink.names('Pod').length === 3, 'new pods');
  await write('cluster/new/b.yaml', pod('c').replace('node-a', 'node-b'));
  await eventually(() => sink.names('Pod').length === 2, 'a pod less');
  t.deepEqual((sink.objects.get('Pod')?.get('shop/c') as { spec?: unknown } | undefined)?.spec, { nodeName: 'node-b' });
  await rm(join(root, 'cluster/new'), { recursive: true });
  await eventually(() => sink.names('Pod').join() === 'shop/a', 'the folder is gone');
  await write('cluster/new/d.yaml', pod('d'));
  await eventually(() => sink.names('Pod').join() === 'shop/a,shop/d', 'the folder is there again');
  t.false(sink.calls.includes('upsert Pod a'));
});

test('a manifest that breaks is named with its line, costs only itself, and is back once repaired', async (t) => {
  const { root, write, sink, problems } = await watched(t, { 'cluster/a.yaml': pod('a'), 'cluster/b.yaml': pod('b') });
  await write('cluster/b.yaml', `${pod('b')}---\nkind: [\n---\n${pod('c')}`);
  await eventually(() => sink.problems.size === 1, 'the problem');
  t.deepEqual(sink.names('Pod'), ['shop/a', 'shop/b', 'shop/c']);
  const [found] = sink.problems.values();
  t.regex(found?.where ?? '', new RegExp(`^${join(root, 'cluster/b.yaml')}:[67]$`));
  await write('cluster/b.yaml', pod('b'));
  await eventually(() => sink.problems.size === 0 && sink.names('Pod').length === 2, 'the repair');
  t.deepEqual(problems(), []);
});

test('a proposal that breaks while it is edited is named, not told, and told again once repaired', async (t) => {
  const { store, read, write, sink, problems } = await watched(t, {});
  await store.create(proposalIn('shop'));
  await eventually(() => sink.names('PolicyProposal').length === 1, 'the proposal');
  const path = 'proposals/shop/deployment-cart.yaml';
  const text = await read(path);
  await write(path, text.replace('\nspec:', '\nspec: ['));
  await eventually(() => sink.names('PolicyProposal').length === 0, 'it cannot be read');
  t.deepEqual(problems(), ['ManifestUnreadable']);
  await write(path, text.replace('12 times', '13 times'));
  await eventually(() => sink.names('PolicyProposal').length === 1, 'it can be read again');
  t.deepEqual(problems(), []);
  const [told] = sink.objects.get('PolicyProposal')?.values() ?? [];
  t.is(told?.metadata.generation, 2);
});

test('when a profile cannot be read, it is not known what holds, and that is said of the kind', async (t) => {
  const { write, sink } = await watched(t, { 'profiles/shop.yaml': profile('observe') });
  t.deepEqual(sink.names('SegmentationProfile'), ['shop/default']);
  await write('profiles/shop.yaml', `${profile('observe')}  approvals: [\n`);
  await eventually(() => sink.problems.has('SegmentationProfile'), 'profiles are unreadable');
  await write('profiles/shop.yaml', profile('propose'));
  await eventually(() => !sink.problems.has('SegmentationProfile'), 'profiles can be read');
  t.deepEqual(sink.names('SegmentationProfile'), ['shop/default']);
  await write('cluster/all.yaml', `${pod('a')}---\nkind: SegmentationProfile\nspec: [\n`);
  await eventually(() => sink.problems.has('SegmentationProfile'), 'a profile in cluster/ cannot be read');
});

test('a profile that breaks in cluster/ beside others does not stop what a broken pod would not', async (t) => {
  const { sink } = await watched(t, { 'cluster/all.yaml': `${profile('observe')}---\nkind: Pod\nspec: [\n` });
  t.deepEqual(sink.names('SegmentationProfile'), ['shop/default']);
  t.false(sink.problems.has('SegmentationProfile'));
  t.is(sink.problems.size, 1);
});

test('of a policy that is in policies/ and in cluster/ the one in policies/ counts; one that is not managed is said', async (t) => {
  const old = policyIn('shop', { ingress: [] });
  const { store, write, sink, problems } = await watched(t, { 'cluster/dump.yaml': renderYaml(old) });
  await store.applyPolicy(policyIn('shop'), { dryRun: false });
  const told = () => sink.objects.get('NetworkPolicy')?.get('shop/nanoseg-cart') as NetworkPolicy | undefined;
  await eventually(() => told()?.spec.ingress?.length === 2, 'the one in policies/');
  t.deepEqual(problems(), []);
  await write('cluster/dump.yaml', renderYaml({ ...old, metadata: { name: 'nanoseg-cart', namespace: 'shop' } }));
  await eventually(() => problems().length === 1, 'the other is not of nanoseg');
  t.deepEqual(problems(), ['ObjectConflict']);
  t.is(told()?.spec.ingress?.length, 2);
});

test('proposals and approvals count only in their own folders', async (t) => {
  const { sink, problems } = await watched(t, {
    'cluster/dump.yaml': `${renderYaml(proposalIn('shop'))}---\n${JSON.stringify(approvalIn('shop'))}\n`,
  });
  t.deepEqual([sink.names('PolicyProposal'), sink.names('PolicyApproval')], [[], []]);
  t.deepEqual(problems(), ['ObjectMisplaced', 'ObjectMisplaced']);
});

test('pods that lived one after the other under one name are all told', async (t) => {
  const life = (uid: string) => pod('a').replace('namespace: shop', `namespace: shop, uid: ${uid}`);
  const { write, sink } = await watched(t, { 'cluster/dump.yaml': `${life('u1')}---\n${life('u2')}` });
  await write('cluster/dump.yaml', life('u2'));
  await eventually(() => sink.calls.filter((call) => call === 'replace Pod').length === 2, 'one of them is gone');
  t.deepEqual(sink.names('Pod'), ['shop/a']);
});

test('a manifest is not read while it is being written', async (t) => {
  const pods = Array.from({ length: 10 }, (_, i) => pod(`pod-${i}`));
  const { root, sink } = await watched(t, { 'cluster/a.yaml': pods.join('---\n') }, 1_000);
  const file = join(root, 'cluster/a.yaml');
  await writeFile(file, '');
  for (const text of [...pods, pod('new')]) {
    await appendFile(file, `---\n${text}`);
    await systemClock.sleep(20, AbortSignal.timeout(10_000));
  }
  await eventually(() => sink.names('Pod').length === 11, 'all of it');
  t.deepEqual(
    sink.calls.filter((call) => call.startsWith('remove') || call.startsWith('upsert')),
    ['upsert Pod new'],
  );
});

test('stopping is told to namespaces and profiles that have a switch, also without a manifest', async (t) => {
  const { store, sink } = await watched(t, { 'cluster/a.yaml': pod('a') });
  await store.annotate({ kind: 'Namespace', namespace: '', name: 'shop' }, { 'nanoseg.io/stop': 'maintenance' });
  await eventually(() => sink.names('Namespace').includes('/shop'), 'the namespace with its switch');
  await store.annotate({ kind: 'Namespace', namespace: '', name: 'shop' }, { 'nanoseg.io/stop': null });
  await eventually(() => sink.names('Namespace').length === 0, 'no switch any more');
  t.pass();
});
