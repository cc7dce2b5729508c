import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { structuralSchema } from '../../controller/adapters/resources/structural-schema.ts';
import { approvalSpecSchema } from '../../controller/adapters/resources/approval-schema.ts';
import { profileSpecSchema } from '../../controller/adapters/resources/profile-schema.ts';
import { proposalSpecSchema, proposalStatusSchema } from '../../controller/adapters/resources/proposal-schema.ts';
import { arbitraryOf } from '../support/arbitrary-resource.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import {
  fullApproval,
  fullApprovalStatus,
  fullProfile,
  fullProfileStatus,
  fullProposal,
  fullProposalStatus,
} from '../support/full-resources.ts';
import { wrongResources } from '../support/wrong-resources.ts';

const api = kubeApiOfFile();
const directory = fileURLToPath(new URL('../../crds/', import.meta.url));
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const resources = '/apis/nanoseg.io/v1alpha1/namespaces/default';

clusterTest('kubectl applies crds/ as it is, and the server serves all of it', async (t) => {
  const applied = await api().kubectl('admin', 'apply', '-k', directory);
  t.is(applied.code, 0, applied.err);
  for (const plural of ['segmentationprofiles', 'policyproposals', 'policyapprovals']) {
    const { spec, status } = await eventually(t, `${plural} is established`, async () => {
      const { body } = await api().request('admin', 'GET', `${definitions}/${plural}.nanoseg.io`);
      const conditions: { type: string; status: string }[] = body.status?.conditions ?? [];
      return conditions.some(({ type, status }) => type === 'Established' && status === 'True') ? body : undefined;
    });
    const types = status.conditions.map(({ type }: { type: string }) => type).sort();
    t.deepEqual(types, ['Established', 'NamesAccepted'], 'NonStructuralSchema is not among them');
    t.not(spec.preserveUnknownFields, true);
    await eventually(t, `${plural} is served`, async () => {
      const { status } = await api().request('admin', 'GET', `${resources}/${plural}`);
      return status === 200 ? true : undefined;
    });
  }
});

for (const [plural, object, status] of [
  ['segmentationprofiles', fullProfile, fullProfileStatus],
  ['policyproposals', fullProposal, fullProposalStatus],
  ['policyapprovals', fullApproval, fullApprovalStatus],
] as const) {
  clusterTest(`every field of ${plural} comes back from the server as it was written`, async (t) => {
    const created = await api().request('admin', 'POST', `${resources}/${plural}`, object);
    t.is(created.status, 201, JSON.stringify(created.body));
    const path = `${resources}/${plural}/${object.metadata.name}`;
    const updated = await api().request('admin', 'PUT', `${path}/status`, { ...created.body, status });
    t.is(updated.status, 200, JSON.stringify(updated.body));
    const { body } = await api().request('admin', 'GET', path);
    t.deepEqual(body.spec, object.spec);
    t.deepEqual(body.status, status);
  });
}

for (const [plural, object, schema] of [
  ['segmentationprofiles', fullProfile, profileSpecSchema],
  ['policyproposals', fullProposal, proposalSpecSchema],
  ['policyapprovals', fullApproval, approvalSpecSchema],
] as const) {
  clusterTest(`whatever the schema of ${plural} allows is stored unchanged`, async (t) => {
    const property = fc.asyncProperty(arbitraryOf(structuralSchema(schema)), async (spec) => {
      const named = { ...object, metadata: { name: 'any' }, spec };
      const { status, body } = await api().request('admin', 'POST', `${resources}/${plural}?dryRun=All`, named);
      strictEqual(status, 201, JSON.stringify(body));
      deepStrictEqual(body.spec, spec);
    });
    await t.notThrowsAsync(fc.assert(property, { numRuns: 100 }));
  });
}

clusterTest('whatever the schema of the status of a proposal allows is stored unchanged', async (t) => {
  const path = `${resources}/policyproposals/${fullProposal.metadata.name}`;
  const { body: stored } = await api().request('admin', 'GET', path);
  const property = fc.asyncProperty(arbitraryOf(structuralSchema(proposalStatusSchema)), async (status) => {
    const reply = await api().request('admin', 'PUT', `${path}/status?dryRun=All`, { ...stored, status });
    strictEqual(reply.status, 200, JSON.stringify(reply.body));
    deepStrictEqual(reply.body.status, status);
  });
  await t.notThrowsAsync(fc.assert(property, { numRuns: 50 }));
});

clusterTest('the server refuses wrong objects and names the field', async (t) => {
  for (const { plural, object, field } of wrongResources) {
    const { status, body } = await api().request('admin', 'POST', `${resources}/${plural}?dryRun=All`, object);
    t.is(status, 422, `${plural} ${field}: ${JSON.stringify(body).slice(0, 500)}`);
    t.true(body.message.includes(field), `${field}: ${body.message.slice(0, 500)}`);
  }
});

clusterTest('the server drops fields that nobody knows', async (t) => {
  const { status, body } = await api().request('admin', 'POST', `${resources}/policyapprovals?dryRun=All`, {
    ...fullApproval,
    metadata: { name: 'more' },
    spec: { ...fullApproval.spec, approver: 'root' },
  });
  t.is(status, 201);
  t.deepEqual(body.spec, fullApproval.spec);
});

clusterTest('kubectl explain reads well', async (t) => {
  const explain = (...args: string[]) =>
    eventually(t, `kubectl explain ${args.join(' ')}`, async () => {
      const { code, out } = await api().kubectl('admin', 'explain', ...args);
      return code === 0 && out.includes('FIELD') ? out : undefined;
    });
  t.regex(
    await explain('policyproposal.status.proof', '--recursive'),
    /wouldDeny\s+<Object>\s+count\s+<integer>\s+items\s+<\[\]Object>/,
  );
  t.regex(await explain('polprop.spec'), /policies\s+<\S*>[^\n]*\n\s+The NetworkPolicies in YAML/);
  t.regex(await explain('segprof.spec.guard'), /How long after an apply nanoseg watches it[^]*Default: 10m/);
  t.regex(await explain('polapp.spec.stamp'), /Who decided, as the API server authenticated them/);
});

clusterTest('kubectl get shows a table by short name, plural and category', async (t) => {
  const get = async (...args: string[]) => (await api().kubectl('admin', 'get', ...args)).out;
  const table = await get('polprop');
  t.regex(table, /^NAME +STATE +RULES +CHANGE +COVERAGE +WOULD-DENY +REVISION +AGE\n/);
  t.regex(table, /\ndeployment-cart +Enforced +2 +Amend +99\.7% +51 +2 +\S+\n/);
  t.regex(
    await get('polapp'),
    /^NAME +PROPOSAL +DECISION +USER +COUNTED +CLAIMED-BY +AGE\n\S+ +deployment-cart +Approve +alice +false +alice +\S+\n/,
  );
  t.regex(await get('segprof'), /^NAME +MODE +AGE\ndefault +enforce +\S+\n/);
  t.regex(await get('segmentationprofiles', '-o', 'wide'), /\ndefault +enforce +True +\S+\n/);
  const all = await get('nanoseg');
  for (const kind of ['segmentationprofile', 'policyproposal', 'policyapproval'])
    t.regex(all, new RegExp(`${kind}.*/`));
});

clusterTest('the manifests in crds/ need no newer kubectl than the server', async (t) => {
  for (const name of ['policyapprovals', 'policyproposals', 'segmentationprofiles']) {
    const text = await readFile(`${directory}${name}.yaml`, 'utf8');
    const dry = await api().kubectlApply('admin', text, '--validate=true', '--dry-run=server');
    t.is(dry.code, 0, dry.err);
  }
});

/** The server publishes new resources a moment after it accepted them. */
async function eventually<Value>(
  t: ExecutionContext,
  what: string,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(100)) {
    const value = await look();
    if (value !== undefined) return value;
  }
  t.fail(`not within 30 seconds: ${what}`);
  throw new Error(what);
}
