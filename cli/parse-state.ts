import { InvalidArgumentError } from 'commander';
import { type ProposalState, proposalStates } from '../controller/model/policy-proposal.ts';

/** `--state Ready,Learning` and `--state Ready --state learning`. */
export function parseState(text: string, before: readonly ProposalState[]): ProposalState[] {
  const wanted = text.split(',').map((part) => {
    const state = proposalStates.find((known) => known.toLowerCase() === part.toLowerCase());
    if (state === undefined) throw new InvalidArgumentError(`Allowed choices are ${proposalStates.join(', ')}.`);
    return state;
  });
  return [...before, ...wanted];
}
