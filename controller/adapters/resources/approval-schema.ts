import { z } from 'zod';
import { type ApprovalSpec, decisions, type PolicyApproval } from '../../model/policy-approval.ts';
import { digestText, resourceName, schemaOf, timeText } from './resource-fields.ts';

const userName = z.string().min(1).max(1024);

/** `spec` of a PolicyApproval. */
export const approvalSpecSchema = schemaOf<ApprovalSpec>()(
  z.strictObject({
    proposal: resourceName.describe('Name of the PolicyProposal in the same namespace that is decided about.'),
    digest: digestText.describe(
      'The digest that was reviewed: status.digest of the proposal to approve or reject it, ' +
        'status.enforced.digest to roll back or retire what is in force. The decision is about nothing else.',
    ),
    decision: z
      .enum(decisions)
      .describe(
        'Approve: apply these policies. Reject: do not. Rollback: restore what was in force before this digest. ' +
          'Retire: remove the managed policies of this digest. The last two may open the network.',
      ),
    reason: z.string().max(4096).exactOptional().describe('Why, for the audit log.'),
    expiresAt: timeText
      .exactOptional()
      .describe(
        'The decision counts for nothing from then on, in RFC 3339. The expiry of the profile holds too, whichever comes first.',
      ),
    claim: z
      .strictObject({
        user: userName.describe('Name of the user.'),
        time: timeText.describe('When the user decided, in RFC 3339.'),
      })
      .exactOptional()
      .describe(
        'Who says to have decided, where no admission webhook can stamp it. Nobody checked it: ' +
          'it counts only where the profile sets approvals.identity to Claimed.',
      ),
    stamp: z
      .strictObject({
        user: userName.describe('The user whom the API server authenticated.'),
        groups: z.array(z.string().max(1024)).max(1024).describe('Groups of the user.'),
        time: timeText.describe('When the decision was admitted, in RFC 3339 with milliseconds.'),
        nonce: z.string().min(1).max(128).describe('Uid of the admission request; a stamp counts once.'),
        keyId: z.string().min(1).max(128).describe('Which key of the controller signed.'),
        signature: z
          .string()
          .regex(/^[A-Za-z0-9+/]{86}==$/, 'not an Ed25519 signature in base64')
          .describe('Ed25519 signature over the decision and all other fields of the stamp, in base64.'),
      })
      .exactOptional()
      .describe(
        'Who decided, as the API server authenticated them. The admission webhook of the controller writes and signs it; ' +
          'what a client puts here is replaced.',
      ),
  }),
);

/** `status` of a PolicyApproval. */
export const approvalStatusSchema = schemaOf<NonNullable<PolicyApproval['status']>>()(
  z.object({
    counted: z.boolean().describe('Whether the decision counts.'),
    message: z.string().describe('Why it counts or does not, in a sentence.'),
  }),
);
