import { z } from 'zod';
import { conditionTypes, type ProposalSpec, type ProposalStatus, proposalStates } from '../../model/policy-proposal.ts';
import {
  conditionList,
  mostEvidence,
  policiesText,
  schemaOf,
  textOrNone,
  timeText,
  wholeNumber,
} from './resource-fields.ts';

const connection = z.string().min(1);
const connectionDescription = 'Id of the connection: source>destination:protocol/port.';

const listedItem = {
  connection: connection.describe(connectionDescription),
  message: z.string().describe('Why, in a sentence.'),
};

const countedItems = z.object({
  count: wholeNumber.describe('How many there are.'),
  items: z.array(z.object(listedItem)).describe('The first of them, at most 50.'),
});

const proposalText = {
  digest: z.string().describe('Digest of that text with the rest of the spec.'),
  policies: policiesText.describe('NetworkPolicies in YAML.'),
};

const revision = z.object({
  revision: wholeNumber.describe('Counts the changes of what is in force, from 1; 0 is the state before the first.'),
  digest: textOrNone.describe('Digest that was approved; empty where nothing of nanoseg was in force.'),
  policies: policiesText.describe('The NetworkPolicies in YAML, complete. Empty: no policy of nanoseg was there.'),
  appliedAt: timeText.describe('When it came into force.'),
  approvedBy: z
    .array(z.string())
    .describe(
      'Users who approved it, or the rule of the profile; "(claimed)" follows a user whom nobody authenticated.',
    ),
  baseline: z.array(connection).describe('Ids of the connections that the policies were made from.'),
});

/** `spec` of a PolicyProposal. */
export const proposalSpecSchema = schemaOf<ProposalSpec>()(
  z.strictObject({
    scope: z
      .enum(['Workload', 'Joint', 'Namespace'])
      .describe(
        'What the policies select. Workload: one workload. Joint: several that no label tells apart. ' +
          'Namespace: everything in it, to close it to what comes later.',
      ),
    workloads: z
      .array(z.string().min(1).max(512))
      .max(1000)
      .describe('The workloads as Kind/name, in the namespace of the proposal. Empty for the scope Namespace.'),
    policies: policiesText.describe(
      'The NetworkPolicies in YAML, with comments for the reviewer. You may edit them before approving: they are proved again ' +
        'and get another digest. Set to "" to have nanoseg write its own again.',
    ),
    evidence: z
      .array(connection.max(2048))
      .max(mostEvidence)
      .describe(
        'Ids of the observed connections that the policies were made from: the baseline once they are in force.',
      ),
  }),
);

/** `status` of a PolicyProposal; the controller alone writes it. */
export const proposalStatusSchema = schemaOf<ProposalStatus>()(
  z.object({
    observedGeneration: wholeNumber.describe('The generation of the spec that this status is about.'),
    state: z
      .enum(proposalStates)
      .describe(
        'Learning: not enough was seen. Ready: waits for approval. Approved: not yet in force. Enforced: in force as approved. ' +
          'Rejected: a person said no. Superseded: its workload is gone or a joint proposal took its place. ' +
          'RolledBack: taken back. Invalid: its proof failed, nothing can approve it.',
      ),
    message: z.string().describe('Why this state, and what to do, in a sentence.'),
    digest: z.string().describe('Digest of the spec that this status is about. An approval names it.'),
    author: z
      .enum(['nanoseg', 'edited'])
      .describe('Who wrote spec.policies: nanoseg, or edited by a person afterwards.'),
    proposedDigest: textOrNone.describe('Digest of what nanoseg last wrote into the spec.'),
    change: z
      .enum(['New', 'Grow', 'Shrink', 'Amend', 'None'])
      .describe(
        'How the proposal differs from what is in force. New: nothing of nanoseg is. Grow: allows more. Shrink: allows less. ' +
          'Amend: both. None: allows the same.',
      ),
    rules: wholeNumber.describe('Number of rules in the policies.'),
    newer: z
      .object(proposalText)
      .exactOptional()
      .describe("What nanoseg would write now, where a person's edit stands in the spec."),
    previous: z
      .object({ ...proposalText, changedAt: timeText.describe('When the spec was changed.') })
      .exactOptional()
      .describe('What stood in the spec before its last change.'),
    readiness: z
      .object({
        state: z.enum(['ready', 'learning']).describe('Whether enough was seen.'),
        coverage: z
          .string()
          .describe("Estimated share of the workload's connections already seen, such as 99.7%, or unknown."),
        missing: z
          .array(
            z.object({
              code: z.string().describe('What is missing, as one stable word.'),
              message: z.string().describe('What is missing, in a sentence.'),
            }),
          )
          .describe('What has not been seen yet. Empty exactly when ready.'),
      })
      .describe('Whether enough was seen to propose.'),
    proof: z
      .object({
        valid: z.boolean().describe('Whether every check passed.'),
        checks: z
          .array(
            z.object({
              name: z.string().describe('Which check.'),
              passed: z.boolean().describe('Whether it passed.'),
              message: z.string().describe('What was found, in a sentence.'),
            }),
          )
          .describe('The checks of the policies as read back from their YAML.'),
        overGrants: z
          .array(z.string())
          .describe('What the policies allow beyond the evidence, each with the reason that it is allowed for.'),
        wouldDeny: countedItems.describe('Observed connections that the policies would deny.'),
        reachableBefore: wholeNumber.describe(
          'Ordered pairs of this workload and another that can reach each other without the policies.',
        ),
        reachableAfter: wholeNumber.describe(
          'Ordered pairs of this workload and another that can reach each other with the policies.',
        ),
      })
      .describe('What an evaluator that knows nothing of how the policies were made says of them.'),
    heldBack: countedItems.describe(
      'Suspicious connections that are not in the policies until a person accepts them in the profile.',
    ),
    omissions: countedItems.describe('Observed connections that got no rule, each with the reason.'),
    attempts: z
      .array(connection)
      .describe('Ids of connections that are denied now and that the proposal would let pass.'),
    notes: z.array(z.string()).describe('What else a reviewer should know.'),
    approvals: z
      .object({
        required: wholeNumber.describe('How many distinct approvers the profile asks for.'),
        given: z
          .array(
            z.object({
              approval: z.string().describe('Name of the PolicyApproval.'),
              user: z.string().describe('Who approved.'),
              time: timeText.describe('When.'),
              identity: z
                .enum(['Stamped', 'Claimed'])
                .describe(
                  'Stamped: the API server authenticated the user and the webhook signed that. Claimed: nobody checked it.',
                ),
            }),
          )
          .describe('Valid approvals of the digest.'),
        ignored: z
          .array(
            z.object({
              approval: z.string().describe('Name of the PolicyApproval.'),
              because: z.string().describe('Why it does not count, in a sentence.'),
            }),
          )
          .describe('Decisions that count for nothing.'),
        autoRule: z
          .string()
          .exactOptional()
          .describe('The rule of the profile that approved the proposal by itself, in words.'),
      })
      .describe('Who approved the digest.'),
    notBefore: timeText
      .exactOptional()
      .describe('Decisions that were stamped before this are void, because of a rollback or rejection.'),
    applying: z
      .object({
        kind: z
          .enum(['Apply', 'Restore', 'Retire'])
          .describe('Apply: the approved policies. Restore: a former revision. Retire: no policy of nanoseg.'),
        target: revision.describe('What will be in force.'),
        by: z.string().describe('Who decided it: users, or the rule of the profile.'),
        reason: textOrNone.describe('Why.'),
        startedAt: timeText.describe('When it began.'),
      })
      .exactOptional()
      .describe('The change under way.'),
    enforced: revision.exactOptional().describe('What is in force.'),
    revisions: z.array(revision).describe('What was in force before, newest first, at most 10.'),
    lastRevision: z
      .int()
      .min(0)
      .exactOptional()
      .describe('The highest number that a revision of this proposal ever had; none is given twice.'),
    seal: z
      .object({
        since: timeText.describe('Since when this record is kept without a gap; decisions before that are void.'),
        broken: z
          .string()
          .exactOptional()
          .describe('That somebody else had written into this status, when, and what came of it.'),
        keyId: z.string().describe("Which of nanoseg's keys signed."),
        signature: z.string().describe('Signature of what this status says about policies in force.'),
      })
      .exactOptional()
      .describe('Shows that nanoseg wrote this status: without a valid one no policy is written from it.'),
    drift: z
      .object({
        policy: z.string().describe('Name of the NetworkPolicy.'),
        message: z.string().describe('How it differs, in a sentence.'),
        since: timeText.describe('When it was first seen to differ.'),
      })
      .exactOptional()
      .describe('A managed NetworkPolicy that differs from the approved one.'),
    deviations: z
      .array(
        z.object({
          connection: connection.describe(connectionDescription),
          verdict: z
            .enum(['denied', 'passed'])
            .describe('denied: it was stopped. passed: it was not, although the policies in force deny it.'),
          firstSeen: timeText.describe('When it was first seen.'),
          lastSeen: timeText.describe('When it was last seen.'),
          times: wholeNumber.describe('How often it was seen.'),
          message: z.string().describe('What it means, in a sentence.'),
        }),
      )
      .describe('Connections outside of the baseline of what is in force.'),
    live: z
      .object({
        digest: z.string().describe('Digest that was judged.'),
        since: timeText.describe('Since when.'),
        updatedAt: timeText.describe('When these numbers were written.'),
        judged: wholeNumber.describe('Flows that were judged.'),
        wouldDeny: wholeNumber.describe('Flows that the policies would have denied.'),
        samples: z
          .array(
            z.object({
              ...listedItem,
              times: wholeNumber.describe('How often it would have been denied.'),
              lastSeen: timeText.describe('When it was last seen.'),
            }),
          )
          .describe('Some of the connections that would have been denied.'),
      })
      .exactOptional()
      .describe(
        'The shadow: the proposal judged against live flows since it has this digest. Rewritten once a minute at most.',
      ),
    conditions: conditionList(conditionTypes).describe('What holds of the proposal, for scripts and kubectl wait.'),
  }),
);
