import { z } from 'zod';
import { decisions } from '../../../model/policy-approval.ts';
import { conditionTypes } from '../../../model/policy-proposal.ts';
import type { ListPage } from '../../../view/api-shape.ts';
import type {
  DecisionAnswer,
  DecisionInput,
  ListedConnection,
  ProposalDetail,
  ProposalEffect,
  ProposalSummary,
  TakingBack,
} from '../../../view/proposal-shape.ts';
import { digestText, schemaOf } from '../../resources/resource-fields.ts';
import { pageOf, proposalState, timeText } from './graph-schemas.ts';

const count = z.int().min(0);

const summary = {
  namespace: z.string(),
  name: z.string(),
  title: z.string().describe('What people call it: shop/deployment/cart.'),
  scope: z.enum(['Workload', 'Joint', 'Namespace']),
  workloads: z.array(z.string()).describe('Kind/name, in its namespace.'),
  state: proposalState.describe('New: the controller has not looked at it yet.'),
  message: z.string(),
  digest: z.string(),
  change: z.enum(['New', 'Grow', 'Shrink', 'Amend', 'None']).nullable(),
  author: z.enum(['nanoseg', 'edited']).nullable(),
  rules: count,
  ready: z.boolean(),
  coverage: z.string(),
  missing: z.array(z.object({ code: z.string(), message: z.string() })),
  closes: z.string().describe('41 of 43 pairs'),
  overGrants: z.string(),
  heldBack: count,
  shadow: z
    .strictObject({ wouldDeny: count, judged: count })
    .nullable()
    .describe('Live flows that would have been denied, and all that were judged.'),
  deviations: count,
  approvals: z.strictObject({ given: count, required: count, rule: z.string().nullable() }),
  revision: count.nullable().describe('In force; null: no policy of nanoseg.'),
  createdAt: z.string().nullable(),
};

const summaryObject = z.strictObject(summary);
export const proposalSummarySchema = schemaOf<ProposalSummary>()(summaryObject);
export const proposalPageSchema = schemaOf<ListPage<ProposalSummary>>()(pageOf(summaryObject));

const countedWords = z.strictObject({
  count,
  said: count.describe('How many of them the items say; paths of their own have all of them.'),
  items: z.array(z.string()),
});
const revision = z.strictObject({
  revision: count,
  digest: z.string(),
  appliedAt: z.string(),
  approvedBy: z.array(z.string()),
  policies: z.string(),
});
const possibleParts = { possible: z.boolean(), because: z.string().nullable().describe('Why not, in a sentence.') };
const possibility = z.strictObject(possibleParts);
const textDiff = z.strictObject({
  from: z.string(),
  to: z.string(),
  text: z.string().describe('Unified diff without a head; empty where nothing differs.'),
});
const effectWords = z.strictObject({
  opens: z.array(z.string()),
  denies: z.array(z.string()),
  uncertain: z.array(z.string()),
  incomplete: z.string().nullable().describe('Why this is not all of it.'),
});

export const proposalDetailSchema = schemaOf<ProposalDetail>()(
  z.strictObject({
    ...summary,
    policies: z.string().describe('The NetworkPolicies in YAML.'),
    rulesInWords: z.array(z.string()),
    diff: textDiff,
    effect: effectWords,
    inForce: revision.nullable(),
    revisions: z.array(revision).describe('Newest first.'),
    evidence: countedWords,
    proof: z.strictObject({
      valid: z.boolean(),
      checks: z.array(z.object({ name: z.string(), passed: z.boolean(), message: z.string() })),
      overGrants: z.array(z.string()),
    }),
    heldBackInWords: countedWords,
    omissions: countedWords,
    wouldDeny: countedWords,
    attempts: z.array(z.string()),
    shadowSamples: z.array(z.string()),
    given: z.array(
      z.object({
        approval: z.string(),
        user: z.string(),
        time: z.string(),
        identity: z.enum(['Stamped', 'Claimed']),
      }),
    ),
    ignored: z.array(z.object({ approval: z.string(), because: z.string() })),
    deviationsInWords: z.array(z.string()),
    drift: z.string().nullable(),
    notes: z.array(z.string()),
    conditions: z.array(
      z.object({
        type: z.enum(conditionTypes),
        status: z.enum(['True', 'False', 'Unknown']),
        reason: z.string(),
        message: z.string(),
        lastTransitionTime: z.string(),
        observedGeneration: z.number(),
      }),
    ),
    warnings: z.array(z.string()).describe('What to know before saying yes.'),
    mode: z.enum(['observe', 'propose', 'enforce', 'exempt', 'unknown']),
    decisions: z.strictObject({
      approve: possibility,
      reject: possibility,
      rollback: possibility,
      retire: possibility,
    }),
  }),
);

export const takingBackSchema = schemaOf<TakingBack>()(
  z.strictObject({
    ...possibleParts,
    namespace: z.string(),
    name: z.string(),
    title: z.string(),
    decision: z.enum(['Rollback', 'Retire']),
    digest: z.string().nullable().describe('Of what is in force: the decision is about it.'),
    inForce: revision.nullable(),
    comesBack: revision.nullable().describe('Null: no policy of nanoseg.'),
    rulesInWords: z.array(z.string()).describe('Of what comes back.'),
    diff: textDiff,
    effect: effectWords,
    warnings: z.array(z.string()).describe('What to know before saying yes.'),
    approvals: z.strictObject({
      given: z.array(z.string()).describe('Who has decided the same about it.'),
      required: count,
    }),
  }),
);

export const listedConnectionPageSchema = schemaOf<ListPage<ListedConnection>>()(
  pageOf(
    z.strictObject({
      connection: z.string().describe('Its id.'),
      words: z.string().describe('shop/Deployment/a > shop/Deployment/b TCP 80'),
      because: z.string().describe('Why it is in the list.'),
    }),
  ),
);

const reach = z.enum(['allowed', 'denied', 'unknown']);
export const proposalEffectSchema = schemaOf<ProposalEffect>()(
  z.strictObject({
    namespace: z.string(),
    name: z.string(),
    digest: z.string(),
    edges: z.array(
      z.strictObject({
        source: z.string(),
        target: z.string(),
        ports: z.string(),
        seen: z.boolean(),
        before: reach,
        after: reach,
      }),
    ),
    closesUnused: count.describe('Pairs that were never seen to talk and cannot any more.'),
    incomplete: z.string().nullable(),
  }),
);

const decisionInput = {
  digest: digestText.describe(
    'Of what was shown, which is what is in force where that is taken back: else a conflict.',
  ),
  reason: z.string().min(1).max(4096).exactOptional().describe('Why, for the audit log.'),
  expiresAt: timeText.exactOptional().describe('It counts for nothing from then on.'),
};
export const decisionInputSchema = schemaOf<Omit<DecisionInput, 'learning'>>()(z.strictObject(decisionInput));
export const approvalInputSchema = schemaOf<DecisionInput>()(
  z.strictObject({
    ...decisionInput,
    learning: z.boolean().exactOptional().describe('Although not enough was seen.'),
  }),
);

export const decisionAnswerSchema = schemaOf<DecisionAnswer>()(
  z.strictObject({
    approval: z.string().describe('Name of the PolicyApproval.'),
    decision: z.enum(decisions),
    digest: z.string(),
    result: z.enum(['done', 'counted', 'ignored', 'unanswered']),
    message: z.string(),
  }),
);
