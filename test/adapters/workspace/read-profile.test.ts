import test from 'ava';
import { profileFromText, readProfile } from '../../../controller/adapters/workspace/read-profile.ts';
import { formatAddresses } from '../../../controller/model/cidr.ts';
import { defaultProfile } from '../../../controller/model/profile.ts';

const head = 'apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: default}\n';

test('what a profile leaves out has its default', (t) => {
  t.deepEqual(profileFromText(head, 'p.yaml'), { profile: defaultProfile, problems: [] });
  t.deepEqual(
    profileFromText(`${head}spec: {learning: {}, external: {}, clusterCidrs: {}}`, 'p.yaml').profile,
    defaultProfile,
  );
});

test('every field of a profile is read', (t) => {
  const { profile, problems } = profileFromText(
    `${head}spec:
  cni: cilium
  learning: {bin: 5s, window: 7d, coverage: 0.5, bins: 3, weekdays: [Sun, Mon], loss: 0, startUps: false, cronJobs: false}
  exemptNamespaces: [a]
  external: {networks: [{name: office, cidrs: [192.0.2.0/24]}], addedAddresses: 16, clientsBeforeWorld: 1}
  clusterCidrs: {pods: [10.0.0.0/8, "fd00::/8"], services: [10.96.0.0/12], nodes: [192.168.0.1]}
  accepted: [{source: shop/web, destination: "*", port: 443, protocol: TCP, reason: asked for}]
  refused: [{destination: 169.254.169.254}]
  scanTargets: 3
  jointPolicies: true
  mode: enforce
  approvals:
    required: 2
    expiry: 12h
    identity: Claimed
    automatic: [{name: tighten, changes: [Shrink]}, {name: lab, changes: [New, Grow], namespaceLabels: {stage: lab}}]
  drift: Report
  guard: {duration: 30m, deniedConnections: 2, unreadyPods: 1}
  unusedAfter: 30d
  closedNamespace: {propose: false, newWorkloads: Learn, learnFor: 2h}
`,
    'p.yaml',
  );
  t.deepEqual(problems, []);
  const { clusterCidrs, ...rest } = profile;
  t.deepEqual(formatAddresses(clusterCidrs.pods), ['10.0.0.0/8', 'fd00::/8']);
  t.deepEqual(formatAddresses(clusterCidrs.services), ['10.96.0.0/12']);
  t.deepEqual(formatAddresses(clusterCidrs.nodes), ['192.168.0.1/32']);
  t.deepEqual(rest, {
    cni: 'cilium',
    learning: {
      binMs: 5_000,
      windowMs: 604_800_000,
      coverage: 0.5,
      bins: 3,
      weekdays: [0, 1],
      loss: 0,
      startUps: false,
      cronJobs: false,
    },
    exemptNamespaces: ['a'],
    external: {
      networks: [{ name: 'office', cidrs: ['192.0.2.0/24'] }],
      addedAddresses: 16,
      clientsBeforeWorld: 1,
    },
    accepted: [{ source: 'shop/web', destination: '*', port: 443, protocol: 'TCP' }],
    refused: [{ source: '*', destination: '169.254.169.254', port: undefined, protocol: undefined }],
    scanTargets: 3,
    jointPolicies: true,
    mode: 'enforce',
    approvals: {
      required: 2,
      expiryMs: 43_200_000,
      identity: 'claimed',
      automatic: [
        { name: 'tighten', changes: ['Shrink'], namespaceLabels: {} },
        { name: 'lab', changes: ['New', 'Grow'], namespaceLabels: { stage: 'lab' } },
      ],
    },
    drift: 'report',
    guard: { durationMs: 1_800_000, deniedConnections: 2, unreadyPods: 1 },
    unusedAfterMs: 2_592_000_000,
    closedNamespace: { propose: false, newWorkloads: 'learn', learnForMs: 7_200_000 },
  });
});

test('every fault is named with its field and line, all at once', (t) => {
  const { profile, problems } = profileFromText(
    `# ours\n---\n${head}spec:
  cni: flannel
  lerning: {}
  learning:
    bin: 5 minutes
    coverage: 2
  clusterCidrs:
    pods:
    - 10.0.0.0/8
    - 10.0.0.0/33
  accepted:
  - {source: a/b, prot: TCP}
`,
    'p.yaml',
  );
  t.is(profile, defaultProfile);
  t.true(problems.every(({ code }) => code === 'ProfileInvalid'));
  t.deepEqual(problems.map(({ message, where }) => `${where} ${message.split(':')[0]}`).sort(), [
    'p.yaml:10 spec.learning.bin',
    'p.yaml:11 spec.learning.coverage',
    'p.yaml:15 spec.clusterCidrs.pods[1]',
    'p.yaml:17 spec.accepted[0].destination',
    'p.yaml:17 spec.accepted[0].prot',
    'p.yaml:7 spec.cni',
    'p.yaml:8 spec.lerning',
  ]);
});

for (const duration of ['5', '5x', '0m', '-5m', '1.5h', 'PT5M', '', '9999999999d']) {
  test(`not a duration: ${JSON.stringify(duration)}`, (t) => {
    t.is(profileFromText(`${head}spec: {learning: {bin: "${duration}"}}`, 'p.yaml').problems.length, 1);
  });
}

test('text that is no profile is a problem, not a default profile without a word', (t) => {
  for (const text of [
    '',
    'x: [',
    'apiVersion: v1\nkind: Pod',
    `${head}---\n${head}`,
    '[]',
    head.replace('v1alpha1', 'v2'),
  ]) {
    t.true(profileFromText(text, 'p.yaml').problems.length > 0, text);
  }
});

test('a profile file that does not exist is a problem', async (t) => {
  t.deepEqual(
    (await readProfile('/nonexistent/profile.yaml')).problems.map(({ code }) => code),
    ['InputNotFound'],
  );
});

test('an accepted connection must name both sides, and not everybody on both; a refused one may', (t) => {
  const read = (list: string) =>
    profileFromText(
      `apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nspec: {${list}}`,
      'profile.yaml',
    ).problems.map(({ message }) => message);
  t.regex(read('accepted: [{port: 443}]').join(), /accepted\[0\]\.source.*accepted\[0\]\.destination/s);
  t.regex(read('accepted: [{source: "*", destination: "*"}]').join(), /accepts everything/);
  t.deepEqual(read('accepted: [{source: shop/cart, destination: "*"}]'), []);
  t.deepEqual(read('refused: [{port: 22}]'), []);
});
