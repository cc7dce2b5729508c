import { deepStrictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { approvalSpecSchema } from '../../../controller/adapters/resources/approval-schema.ts';
import { parseApproval, parseProfile, parseProposal } from '../../../controller/adapters/resources/parse-resources.ts';
import { proposalSpecSchema, proposalStatusSchema } from '../../../controller/adapters/resources/proposal-schema.ts';
import { structuralSchema } from '../../../controller/adapters/resources/structural-schema.ts';
import type { KubernetesObject } from '../../../controller/model/kubernetes-object.ts';
import type { Problem } from '../../../controller/model/problem.ts';
import { arbitraryOf } from '../../support/arbitrary-resource.ts';
import {
  fullApproval,
  fullApprovalStatus,
  fullProfile,
  fullProposal,
  fullProposalStatus,
} from '../../support/full-resources.ts';
import { wrongResources } from '../../support/wrong-resources.ts';

const stored = { ...fullProposal.metadata, uid: 'u', resourceVersion: '7', generation: 3, managedFields: [{}] };

test('a resource is read as it is stored, with all of its metadata', (t) => {
  const proposal = { ...fullProposal, metadata: stored, status: fullProposalStatus };
  t.deepEqual(parseProposal(proposal), proposal);
  const approval = { ...fullApproval, status: fullApprovalStatus };
  t.deepEqual(parseApproval(approval), approval);
  t.deepEqual(parseProposal(fullProposal), fullProposal);
  t.deepEqual(parseApproval(fullApproval), fullApproval);
});

test('a status that does not parse is left out, and never the object', (t) => {
  for (const status of [
    {},
    'x',
    null,
    [],
    { ...fullProposalStatus, state: 'Open' },
    { ...fullProposalStatus, revisions: 1 },
  ]) {
    t.deepEqual(parseProposal({ ...fullProposal, status }), fullProposal);
    t.deepEqual(parseApproval({ ...fullApproval, status }), fullApproval);
  }
});

test('what a newer controller added to a status does not cost the rest of it', (t) => {
  const status = { ...fullProposalStatus, later: 1, proof: { ...fullProposalStatus.proof, later: 1 } };
  t.deepEqual(parseProposal({ ...fullProposal, status }), { ...fullProposal, status: fullProposalStatus });
});

test('nanoseg reads every proposal and approval that the API server would store', (t) => {
  const proposals = fc.property(
    arbitraryOf(structuralSchema(proposalSpecSchema)),
    arbitraryOf(structuralSchema(proposalStatusSchema)),
    (spec, status) => {
      const object = { ...fullProposal, spec, status };
      deepStrictEqual(parseProposal(object), object);
    },
  );
  t.notThrows(() => fc.assert(proposals, { numRuns: 25 }));
  const approvals = fc.property(arbitraryOf(structuralSchema(approvalSpecSchema)), (spec) => {
    const object = { ...fullApproval, spec };
    deepStrictEqual(parseApproval(object), object);
  });
  t.notThrows(() => fc.assert(approvals, { numRuns: 25 }));
});

test('nanoseg refuses whatever the API server refuses, and names the field', (t) => {
  for (const { plural, object, field } of wrongResources) {
    const problems = parserOf(plural)(object);
    t.true(
      problems.some(({ message }) => message.includes(field)),
      `${plural} ${field}: ${JSON.stringify(problems)}`,
    );
  }
});

function parserOf(plural: string): (object: KubernetesObject) => readonly Problem[] {
  return (object) => {
    const parsed =
      plural === 'policyproposals'
        ? parseProposal(object)
        : plural === 'policyapprovals'
          ? parseApproval(object)
          : parseProfile(object, 'Cluster');
    return Array.isArray(parsed) ? parsed : [];
  };
}

test('a problem says which object it is about', (t) => {
  t.like(parseProposal({ ...fullProposal, spec: { ...fullProposal.spec, scope: 'Cluster' } }), [
    { code: 'ObjectInvalid', where: 'default/PolicyProposal/deployment-cart' },
  ]);
});

test('a field of the spec that nobody knows is a problem: somebody may rely on it', (t) => {
  for (const [parsed, field] of [
    [parseProposal({ ...fullProposal, spec: { ...fullProposal.spec, policy: '' } }), 'policy'],
    [parseApproval({ ...fullApproval, spec: { ...fullApproval.spec, approver: 'root' } }), 'approver'],
    [parseProfile({ ...fullProfile, spec: { exempt: [] } } as KubernetesObject, 'Cluster'), 'exempt'],
  ] as const) {
    t.regex(JSON.stringify(parsed), new RegExp(`unknown field.*${field}`));
  }
});

test('an object of another kind, version or without a namespace is none of ours', (t) => {
  const wrong = { ...fullProposal, apiVersion: 'nanoseg.io/v1' };
  t.like(parseProposal(wrong), [
    { message: 'expected nanoseg.io/v1alpha1 PolicyProposal, got nanoseg.io/v1 PolicyProposal' },
  ]);
  t.true(Array.isArray(parseApproval(fullProposal)));
  t.true(Array.isArray(parseProfile(fullApproval, 'Cluster')));
  const { namespace: _, ...metadata } = fullApproval.metadata;
  t.like(parseApproval({ ...fullApproval, metadata }), [{ message: 'metadata.namespace: it has none' }]);
});

test('policies without a value in YAML are empty policies', (t) => {
  const nothing = { ...fullProposal, spec: { ...fullProposal.spec, policies: null } };
  t.deepEqual(parseProposal(nothing), { ...fullProposal, spec: { ...fullProposal.spec, policies: '' } });
});

test('a namespace cannot set what holds for the whole cluster', (t) => {
  const profile = (spec: object): KubernetesObject & { spec: object } => ({ ...fullProfile, spec });
  t.false(Array.isArray(parseProfile(profile(fullProfile.spec), 'Cluster')));
  const problems = parseProfile(profile(fullProfile.spec), 'Namespace');
  t.deepEqual(
    (problems as Problem[]).map(({ message }) => message.split(':')[0]),
    ['spec.cni', 'spec.clusterCidrs', 'spec.learning.bin'],
  );
  const { cni: _, clusterCidrs: __, learning, ...rest } = fullProfile.spec;
  const { bin: ___, ...thresholds } = learning;
  t.false(Array.isArray(parseProfile(profile({ ...rest, learning: thresholds }), 'Namespace')));
});

test('a rule that approves more than shrinking by itself must name namespaces', (t) => {
  const read = (rule: object) =>
    parseProfile(
      { ...fullProfile, spec: { approvals: { automatic: [{ name: 'r', ...rule }] } } } as KubernetesObject,
      'Cluster',
    );
  for (const change of ['New', 'Grow', 'Amend']) {
    for (const namespaceLabels of [{}, undefined]) {
      const problems = read({ changes: ['Shrink', change], ...(namespaceLabels && { namespaceLabels }) });
      t.regex(JSON.stringify(problems), /spec\.approvals\.automatic\[0\]\.namespaceLabels.*name the labels/);
    }
    t.false(Array.isArray(read({ changes: [change], namespaceLabels: { stage: 'lab' } })));
  }
  t.false(Array.isArray(read({ changes: ['Shrink'] })));
  t.true(Array.isArray(read({ changes: [] })));
  t.true(Array.isArray(read({ changes: ['None'], namespaceLabels: { stage: 'lab' } })));
});
