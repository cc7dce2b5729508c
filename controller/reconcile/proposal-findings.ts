import { counted } from '../model/counted.ts';
import type { ProposalStatus, Revision } from '../model/policy-proposal.ts';
import type { Finding } from './conditions.ts';
import type { ProposalFacts } from './proposal-facts.ts';
import { inForceWords } from './plan-words.ts';

/** What the conditions of a proposal say of what was decided for it; `drifted` unless it is repaired now. */
export function findingsOf(
  facts: ProposalFacts,
  { state, message, enforced }: Pick<ProposalStatus, 'state' | 'message'> & { readonly enforced: Revision | undefined },
  drifted: boolean,
): Finding[] {
  const { standing, inForce, watched, judgement, allowedUntil } = facts;
  const when = (type: Finding['type'], holds: boolean, yes: [string, string], no: [string, string]): Finding => {
    const [reason, words] = holds ? yes : no;
    return { type, status: holds ? 'True' : 'False', reason, message: words };
  };
  const failed = standing.proof.checks.find(({ passed }) => !passed);
  const approved = judgement.kind === 'approved' || judgement.kind === 'approved-by-rule' || state === 'Enforced';
  const passed = watched?.passed.count ?? 0;
  const attempted = watched?.denied.count ?? 0;
  return [
    when(
      'Proved',
      standing.proof.valid,
      ['AllChecksPassed', 'every check of the proof passed'],
      ['CheckFailed', failed?.message ?? 'not proved'],
    ),
    when(
      'Ready',
      standing.readiness.state === 'ready',
      ['EnoughSeen', 'enough was seen'],
      ['StillLearning', standing.readiness.missing[0]?.message ?? 'not enough was seen'],
    ),
    when('Approved', approved, ['DigestApproved', message], ['NotApproved', message]),
    when(
      'Enforced',
      enforced !== undefined,
      ['InForce', enforced ? inForceWords(enforced) : ''],
      ['NothingInForce', message],
    ),
    when(
      'Drifted',
      drifted,
      ['PolicyDiffers', inForce.drift?.message ?? ''],
      ['AsApproved', 'the stored policies are those that were approved'],
    ),
    when(
      'NotEnforced',
      passed > 0,
      ['DeniedTrafficPassed', `${counted(passed, 'connection')} passed that the policies in force deny`],
      ['NoneSeen', 'no traffic was seen that should have been denied'],
    ),
    when(
      'Deviating',
      attempted > 0,
      [
        'OutsideBaseline',
        `${counted(attempted, 'connection')} outside of the baseline ${attempted === 1 ? 'was' : 'were'} denied`,
      ],
      ['NoneSeen', 'no connection outside of the baseline was seen'],
    ),
    when(
      'LearningAllowance',
      allowedUntil !== undefined,
      ['OpenForAWhile', `its workload is new in a closed namespace and may talk freely until ${allowedUntil}`],
      ['None', 'nothing is allowed but what policies say'],
    ),
  ];
}
