import { z } from 'zod';
import type { Analysis, AnalysedProposal, ProvedPolicy } from '../../controller/analysis.ts';
import type { IngestSummary } from '../../controller/ingest.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { HeldBack, Omission } from '../../controller/model/proposal.ts';
import { parseWorkloadKey, type WorkloadKey } from '../../controller/model/workload.ts';
import { ruleWords } from '../../controller/policy/rule-words.ts';

const text = z.string();
const count = z.int().min(0);
const workload = { namespace: text, kind: text, name: text };
const reasoned = z.object({ connection: text, because: text, message: text });

const proof = z
  .object({
    valid: z.boolean(),
    checks: z.array(z.object({ name: text, passed: z.boolean(), message: text })),
    overGrants: z
      .array(
        z.object({
          direction: z.enum(['ingress', 'egress']),
          peer: text,
          protocol: text,
          ports: text,
          allowance: text.optional(),
          widenedBy: text.optional(),
        }),
      )
      .describe('What is allowed beyond the evidence: by a named allowance, or because the profile widened it.'),
    wouldDeny: z
      .array(z.object({ connection: text, message: text }))
      .describe('Connections of the window that would be denied once the policy is in force.'),
    reachableBefore: count.describe('Ordered pairs of this workload and another that can reach each other now.'),
    reachableAfter: count.describe('The same once the policy is in force.'),
  })
  .describe('Made by the evaluator on what the YAML means when it is read again.');

const policy = {
  policy: text.describe('Name of the policy object.'),
  file: text.describe(
    'Where --out puts it, below the output directory; nothing is written when the proof is not valid.',
  ),
  rules: z.array(
    z.object({
      direction: z.enum(['ingress', 'egress']),
      words: text,
      because: text.describe('`learned`, or the named allowance.'),
      evidence: z.array(text).describe('Ids of the connections that asked for the rule.'),
    }),
  ),
  notes: z.array(text),
  proof,
  yaml: text,
};

/** The shape of report.json, from which docs/report.schema.json is made. */
export const reportSchema = z
  .object({
    schema: z.literal('nanoseg.io/report/v1alpha1'),
    cni: text,
    dialect: text,
    window: z
      .object({ from: text, to: text, binSeconds: z.number() })
      .nullable()
      .describe('First and last flow, RFC 3339; null when there was none.'),
    flows: z.object({
      files: z.array(
        z.object({ source: text, records: count, flows: count, skipped: count, rejected: count, losses: count }),
      ),
      records: count,
      flows: count,
      skipped: count.describe('Records that are fine and no flow.'),
      rejected: count.describe('Records that could not be used.'),
      rejections: z.array(z.object({ where: text, reason: text })).describe('The first of them.'),
      losses: count.describe('Reports of lost, missing or sampled events.'),
      unattributed: z.array(z.object({ reason: text, flows: count })),
      contradictions: count,
    }),
    totals: z.object({
      ready: count,
      learning: count,
      invalid: count,
      refused: count,
      withoutEvidence: count,
      exempt: count,
      rules: count,
      heldBack: count,
    }),
    proposals: z.array(
      z.object({
        ...workload,
        state: z.enum(['Ready', 'Learning', 'Invalid']),
        coverage: z.number().nullable().describe('Estimated share of its connections already seen; null: unknown.'),
        missing: z.array(z.object({ code: text, message: text })).describe('Empty exactly when Ready.'),
        heldBack: z.array(reasoned).describe('Suspicious connections, for a person to accept or refuse.'),
        omissions: z.array(reasoned).describe('Connections that no rule is written for, and why.'),
        ...policy,
      }),
    ),
    refused: z.array(
      z.object({
        ...workload,
        because: text,
        message: text,
        sharedWith: z.array(text),
        heldBack: z.array(reasoned),
        omissions: z.array(reasoned),
        joint: z
          .object(policy)
          .optional()
          .describe('One policy for all that share the labels, where the profile asks for it.'),
        jointOffered: z.boolean().describe('Whether jointPolicies in the profile would give one.'),
      }),
    ),
    withoutEvidence: z.array(
      z.object({ ...workload, message: text, heldBack: z.array(reasoned), omissions: z.array(reasoned) }),
    ),
    exempt: z.array(z.object(workload)),
    problems: z
      .array(z.object({ code: text, message: text, where: text }))
      .describe('What of the manifests could not be used.'),
  })
  .describe('What nanoseg analyze found, as report.json has it.');

export type AnalysisReport = z.infer<typeof reportSchema>;

export interface ReportInput {
  readonly analysis: Analysis;
  readonly reading: IngestSummary;
  readonly problems: readonly Problem[];
  readonly cni: string;
  readonly dialect: string;
}

/** The whole analysis as plain data; the same analysis gives the same report. */
export function analysisReport({ analysis, reading, problems, cni, dialect }: ReportInput): AnalysisReport {
  const { window, proposals, refusals, withoutEvidence, exempt } = analysis;
  const { sources, records, flows, skipped, rejected, rejections, losses, unattributed, contradictions } = reading;
  const inState = (wanted: AnalysedProposal['state']) => proposals.filter(({ state }) => state === wanted).length;
  const listed = { flows, records, skipped, rejected, losses, contradictions };
  return {
    schema: 'nanoseg.io/report/v1alpha1',
    cni,
    dialect,
    window: window.span
      ? {
          from: new Date(window.span.firstMs).toISOString(),
          to: new Date(window.span.lastMs).toISOString(),
          binSeconds: window.binMs / 1_000,
        }
      : null,
    flows: {
      files: [...sources],
      ...listed,
      rejections: [...rejections],
      unattributed: [...unattributed],
    },
    totals: {
      ready: inState('Ready'),
      learning: inState('Learning'),
      invalid: inState('Invalid'),
      refused: refusals.length,
      withoutEvidence: withoutEvidence.length,
      exempt: exempt.length,
      rules: proposals.reduce((sum, { draft }) => sum + draft.ingress.length + draft.egress.length, 0),
      heldBack: heldBackOf(analysis).length,
    },
    proposals: proposals.map(({ state, synthesis, readiness, ...proved }) => ({
      ...refOf(synthesis.workload),
      state,
      coverage: readiness.coverage === 'unknown' ? null : readiness.coverage,
      missing: [...readiness.missing],
      heldBack: reasons(synthesis.heldBack),
      omissions: reasons(synthesis.omissions),
      ...policyReport(proved, [...synthesis.notes, ...readiness.notes]),
    })),
    refused: refusals.map(({ refusal, joint }) => ({
      ...refOf(refusal.workload),
      because: refusal.because,
      message: refusal.message,
      sharedWith: [...refusal.sharedWith],
      heldBack: reasons(refusal.heldBack),
      omissions: reasons(refusal.omissions),
      ...(joint && { joint: policyReport(joint, []) }),
      jointOffered: refusal.joint !== undefined,
    })),
    withoutEvidence: withoutEvidence.map(({ workload: key, message, heldBack, omissions }) => ({
      ...refOf(key),
      message,
      heldBack: reasons(heldBack),
      omissions: reasons(omissions),
    })),
    exempt: exempt.map(refOf),
    problems: problems.map(({ code, message, where }) => ({ code, message, where })),
  };
}

/** Every held-back connection once, although both of its sides list it. */
export function heldBackOf({ proposals, refusals, withoutEvidence }: Analysis): HeldBack[] {
  const all = [
    ...proposals.flatMap(({ synthesis }) => synthesis.heldBack),
    ...refusals.flatMap(({ refusal }) => refusal.heldBack),
    ...withoutEvidence.flatMap(({ heldBack }) => heldBack),
  ];
  return [...new Map(all.map((held) => [held.connection.id, held])).values()];
}

/** Where the output directory has a policy. */
export function policyFile({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}.yaml`;
}

function policyReport({ draft, notes: ofDialect, yaml, proof: made }: ProvedPolicy, notes: readonly string[]) {
  const rules = (['ingress', 'egress'] as const).flatMap((direction) =>
    draft[direction].map((rule) => ({
      direction,
      words: ruleWords(rule, direction, draft),
      because: rule.because,
      evidence: [...rule.evidence],
    })),
  );
  return {
    policy: draft.name,
    file: policyFile(draft),
    rules,
    notes: [...notes, ...ofDialect],
    proof: {
      valid: made.valid,
      checks: [...made.checks],
      overGrants: made.overGrants.map(({ direction, peer, protocol, ports, allowance, widenedBy }) => ({
        direction,
        peer,
        protocol,
        ports,
        ...(allowance !== undefined && { allowance }),
        ...(widenedBy !== undefined && { widenedBy }),
      })),
      wouldDeny: [...made.wouldDeny],
      reachableBefore: made.reachableBefore,
      reachableAfter: made.reachableAfter,
    },
    yaml,
  };
}

function reasons(items: readonly (HeldBack | Omission)[]) {
  return items.map(({ connection: { id }, because, message }) => ({ connection: id as string, because, message }));
}

function refOf(key: WorkloadKey) {
  return parseWorkloadKey(key);
}
