import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { ClusterError } from '../../../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../../controller/model/network-policy.ts';
import type { PolicyApproval } from '../../../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';
import { approvalIn, policyIn, proposalIn } from '../../contract/sample-objects.ts';
import { fullProposalStatus } from '../../support/full-resources.ts';
import { openWorkspace } from './open-workspace.ts';

const file = 'proposals/shop/deployment-cart.yaml';
const ref = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };
const codeOf = (error: unknown) => (error instanceof ClusterError ? error.code : String(error));

test('policies stand in the file of a proposal as a person would write them', async (t) => {
  const { store, read } = await openWorkspace(t);
  const wanted = proposalIn('shop');
  await store.create(wanted);
  const text = await read(file);
  t.true(text.includes('  policies: |\n    # from shop/web: 12 times\n    apiVersion: networking.k8s.io/v1\n'));
  t.notRegex(text, /resourceVersion|  uid:|  generation:/);
  const other = load(text, { schema: YAML11_SCHEMA }) as { spec: unknown };
  t.deepEqual(other.spec, wanted.spec);
});

test('every edit by hand that nanoseg has seen is a generation of its own', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  const edit = async (from: string, to: string) => write(file, (await read(file)).replace(from, to));
  await edit('# from shop/web: 12 times', '# looked at');
  const edited = await store.get<PolicyProposal>(ref);
  t.is(edited?.metadata.generation, 2);
  t.is(edited?.metadata.uid, created.metadata.uid);
  t.not(edited?.metadata.resourceVersion, created.metadata.resourceVersion);
  t.true(edited?.spec.policies.startsWith('# looked at\n'));
  const judged = await store.updateStatus({ ...(edited as PolicyProposal), status: fullProposalStatus });
  t.is(judged.metadata.generation, 2);
  await edit('# looked at', '# looked at again');
  t.is((await store.get<PolicyProposal>(ref))?.metadata.generation, 3);
  await edit('# looked at again', '# looked at');
  t.is((await store.get<PolicyProposal>(ref))?.metadata.generation, 2, 'taken back before anybody saw it');
});

test('an edit by hand makes older versions stale', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  await write(file, (await read(file)).replace('12 times', '13 times'));
  const error = await t.throwsAsync(store.updateStatus({ ...created, status: fullProposalStatus }));
  t.is(codeOf(error), 'Conflict');
});

test('another format of the same content is no change, and nanoseg leaves it as it is', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  await write(file, `# our team's\n${await read(file)}\n\n`);
  t.deepEqual(await store.get(ref), created);
  await store.update(created);
  t.regex(await read(file), /^# our team's\n/);
});

test('numbers that change with every flow are not in the file that Git sees', async (t) => {
  const { root, store, read } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  const judged = await store.updateStatus({ ...created, status: fullProposalStatus });
  t.deepEqual(judged.status, fullProposalStatus);
  const text = await read(file);
  t.notRegex(text, /judged:/);
  const before = await stat(join(root, file));
  const live = { ...fullProposalStatus.live, judged: 8 };
  const counted = await store.updateStatus({ ...judged, status: { ...fullProposalStatus, live } });
  t.is(counted.status?.live?.judged, 8);
  t.not(counted.metadata.resourceVersion, judged.metadata.resourceVersion);
  t.is((await stat(join(root, file))).mtimeMs, before.mtimeMs);
  t.deepEqual(JSON.parse(await read('.nanoseg/live/shop/deployment-cart.json')), live);
});

test('without .nanoseg nothing is lost but those numbers', async (t) => {
  const { root, store, openStore } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  await store.updateStatus({ ...created, status: fullProposalStatus });
  await rm(join(root, '.nanoseg'), { recursive: true });
  const { live: _, ...lasting } = fullProposalStatus;
  const after = await openStore().get<PolicyProposal>(ref);
  t.deepEqual(after?.status, lasting);
  t.is(after?.metadata.uid, created.metadata.uid);
});

test('a file that cannot be read is named with its line, and never written over', async (t) => {
  const { store, problems, read, write, root } = await openWorkspace(t);
  const created = await store.create(proposalIn('shop'));
  await store.create(proposalIn('shop', 'fine'));
  const broken = (await read(file)).replace('\nspec:\n', '\n<<<<<<< HEAD\nspec:\n');
  await write(file, broken);
  const line = broken.split('\n').indexOf('<<<<<<< HEAD') + 1;
  const attempts = {
    get: () => store.get(ref),
    create: () => store.create(proposalIn('shop')),
    update: () => store.update(created),
    updateStatus: () => store.updateStatus({ ...created, status: fullProposalStatus }),
    annotate: () => store.annotate(ref, { a: 'b' }),
    remove: () => store.remove(ref),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    const error = await t.throwsAsync<Error>(attempt());
    t.is(codeOf(error), 'Invalid', name);
    t.regex(error?.message ?? '', new RegExp(`${file}:(?:${line}|${line + 1}): `), name);
  }
  t.is(await read(file), broken);
  const listed = await store.list<PolicyProposal>('PolicyProposal', 'shop');
  t.deepEqual(
    listed.map(({ metadata }) => metadata.name),
    ['fine'],
  );
  await store.list('PolicyProposal');
  t.is(problems.length, 1, 'told once');
  t.true(problems[0]?.where.startsWith(join(root, file)));
});

test('a broken policy is not repaired over the hand that is at work on it', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  await store.applyPolicy(policyIn('shop'), { dryRun: false });
  const path = 'policies/shop/nanoseg-cart.yaml';
  await write(path, 'kind: [');
  const error = await t.throwsAsync(store.applyPolicy(policyIn('shop'), { dryRun: false, force: true }));
  t.is(codeOf(error), 'Invalid');
  t.is(await read(path), 'kind: [');
});

test('a file whose name is not that of its object is no object', async (t) => {
  const { store, problems, read, write } = await openWorkspace(t);
  await store.create(proposalIn('shop'));
  const text = await read(file);
  await write('proposals/shop/other.yaml', text);
  await write('proposals/till/deployment-cart.yaml', text);
  await write('proposals/top.yaml', text);
  await write('proposals/shop/deployment-till.yml', text);
  await write('approvals/shop/twice.yaml', `${text}---\n${text}`);
  t.is((await store.list('PolicyProposal')).length, 1);
  t.is((await store.list('PolicyApproval')).length, 0);
  t.deepEqual([...new Set(problems.map(({ code }) => code))], ['ObjectMisplaced']);
  t.is(problems.length, 5);
});

test('names cannot lead out of the workspace', async (t) => {
  const { root, store } = await openWorkspace(t);
  for (const name of ['..', '../x', 'a/b', '', '.', '/etc/passwd', 'A', `a${'b'.repeat(300)}`, 'a\u0000b']) {
    t.is(codeOf(await t.throwsAsync(store.create(proposalIn('shop', name)))), 'Invalid', name);
    t.is(codeOf(await t.throwsAsync(store.create(proposalIn(name)))), 'Invalid', name);
    t.is(codeOf(await t.throwsAsync(store.get({ ...ref, name }))), 'Invalid', name);
    t.is(codeOf(await t.throwsAsync(store.remove({ ...ref, namespace: name }))), 'Invalid', name);
  }
  t.deepEqual((await readdir(root)).sort(), ['.nanoseg', 'cluster']);
});

test('an approval that was made by hand is read, and its decision cannot be changed', async (t) => {
  const { store, write } = await openWorkspace(t);
  const wanted = approvalIn('shop');
  await write('approvals/shop/deployment-cart-1.yaml', JSON.stringify(wanted));
  const [approval] = await store.list<PolicyApproval>('PolicyApproval', 'shop');
  t.deepEqual(approval?.spec, wanted.spec);
  t.truthy(approval?.metadata.uid);
  t.is((await store.list('PolicyApproval', 'shop'))[0]?.metadata.uid, approval?.metadata.uid);
  const turned = { ...(approval as PolicyApproval), spec: { ...wanted.spec, decision: 'Reject' as const } };
  t.is(codeOf(await t.throwsAsync(store.update(turned))), 'Forbidden');
  const status = { counted: true, message: 'counts' };
  const counted = await store.updateStatus({ ...(approval as PolicyApproval), status });
  t.deepEqual(counted.status, status);
  t.is(counted.metadata.uid, approval?.metadata.uid);
});

test('what is in cluster/ is read and never written', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const theirs = { ...policyIn('shop'), metadata: { name: 'by-hand', namespace: 'shop' } };
  const text = JSON.stringify(theirs);
  await write('cluster/shop/policies.json', text);
  await write('cluster/web.yaml', 'apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n');
  const stored = await store.get<NetworkPolicy>({ kind: 'NetworkPolicy', namespace: 'shop', name: 'by-hand' });
  t.deepEqual(stored?.spec, theirs.spec);
  t.is((await store.list('Pod', 'shop')).length, 1);
  t.is((await store.list('Pod', 'till')).length, 0);
  const removal = store.remove({ kind: 'NetworkPolicy', namespace: 'shop', name: 'by-hand' });
  t.is(codeOf(await t.throwsAsync(removal)), 'Forbidden');
  const secret: KubernetesObject = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys', namespace: 'shop' } };
  t.is(codeOf(await t.throwsAsync(store.create(secret))), 'Invalid');
  t.is(await read('cluster/shop/policies.json'), text);
});

test('a policy whose marks were taken off is still known as one of its own', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const policy = policyIn('shop');
  await store.applyPolicy(policy, { dryRun: false });
  const path = 'policies/shop/nanoseg-cart.yaml';
  await write(path, (await read(path)).replace(/ {2}labels:\n.*\n/, '').replace(/ {4}nanoseg\.io\/proposal.*\n/, ''));
  const repaired = await store.applyPolicy(policy, { dryRun: false });
  t.deepEqual(repaired.metadata.labels, policy.metadata.labels);
  t.deepEqual(repaired.metadata.annotations, policy.metadata.annotations);
});

test('labels and annotations that a person adds to a policy stay', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const policy = policyIn('shop');
  await store.applyPolicy(policy, { dryRun: false });
  const path = 'policies/shop/nanoseg-cart.yaml';
  await write(path, (await read(path)).replace('  labels:\n', '  labels:\n    team: cart\n'));
  await store.annotate({ kind: 'NetworkPolicy', namespace: 'shop', name: 'nanoseg-cart' }, { note: 'ours' });
  const again = await store.applyPolicy(policy, { dryRun: false });
  t.deepEqual(again.metadata.labels, { team: 'cart', ...policy.metadata.labels });
  t.deepEqual(again.metadata.annotations, { note: 'ours', ...policy.metadata.annotations });
});

test('the switch to stop stands beside the files of people, and goes with its last annotation', async (t) => {
  const { store, read, write, root } = await openWorkspace(t);
  const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n';
  await write('cluster/web.yaml', pod);
  const profile =
    '# ours\napiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: default, namespace: nanoseg-system}\n';
  await write('profiles/default.yaml', profile);
  const places = [
    { kind: 'Namespace', namespace: '', name: 'shop' },
    { kind: 'SegmentationProfile', namespace: 'nanoseg-system', name: 'default' },
  ];
  for (const place of places) {
    await store.annotate(place, { 'nanoseg.io/stop': 'maintenance' });
    const stopped = await store.get(place);
    t.deepEqual(stopped?.metadata.annotations, { 'nanoseg.io/stop': 'maintenance' });
    await store.annotate(place, { 'nanoseg.io/stop': null });
    t.is((await store.get(place))?.metadata.annotations, undefined);
  }
  t.is(await read('profiles/default.yaml'), profile);
  t.deepEqual(await readdir(join(root, 'annotations', 'Namespace')), []);
  const unknown = store.annotate({ kind: 'Namespace', namespace: '', name: 'shpo' }, { 'nanoseg.io/stop': 'x' });
  t.is(codeOf(await t.throwsAsync(unknown)), 'NotFound');
});

test('a file of annotations that cannot be read is a switch to stop', async (t) => {
  const { store, problems, write } = await openWorkspace(t);
  await write('annotations/Namespace/shop.yaml', 'kind: [');
  const namespace = await store.get({ kind: 'Namespace', namespace: '', name: 'shop' });
  t.regex(namespace?.metadata.annotations?.['nanoseg.io/stop'] ?? '', /cannot be read/);
  await store.list('Namespace');
  t.deepEqual(
    problems.map(({ code }) => code),
    ['ManifestUnreadable', 'ObjectMisplaced'],
  );
});

test('a profile keeps its file; its status is kept where Git does not look', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  const text =
    '# ours\napiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: default}\nspec: {mode: observe}\n';
  await write('profiles/default.yaml', text);
  const place = { kind: 'SegmentationProfile', namespace: 'default', name: 'default' };
  const profile = await store.get<KubernetesObject & { status?: unknown }>(place);
  const status = { message: 'isolated 3 of 4 pods' };
  await store.updateStatus({ ...(profile as KubernetesObject), status } as KubernetesObject);
  t.deepEqual((await store.get<KubernetesObject & { status?: unknown }>(place))?.status, status);
  t.is(await read('profiles/default.yaml'), text);
  t.is(codeOf(await t.throwsAsync(store.update(profile as KubernetesObject))), 'Forbidden');
});

test('a profile can be created where there is none', async (t) => {
  const { store } = await openWorkspace(t);
  const metadata = { name: 'default', namespace: 'nanoseg-system' };
  const profile = {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata,
    spec: { mode: 'observe' },
  };
  const created = await store.create(profile);
  t.deepEqual((created as typeof profile).spec, profile.spec);
  t.is(codeOf(await t.throwsAsync(store.create(profile))), 'AlreadyExists');
  t.deepEqual(await store.list('SegmentationProfile'), [created]);
});

test('a directory that does not exist is said to be unavailable', async (t) => {
  const { root, openStore } = await openWorkspace(t);
  await rm(root, { recursive: true });
  t.is(codeOf(await t.throwsAsync(openStore().create(proposalIn('shop')))), 'Unavailable');
});
