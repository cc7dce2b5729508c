import { Command, Option } from 'commander';
import type { Decision } from '../controller/model/policy-approval.ts';
import { type PolicyProposal, type ProposalState, proposalStates } from '../controller/model/policy-proposal.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import { addConnectionOptions, type Connect, type Connection, type ConnectionOptions } from './connection.ts';
import { type DecisionRequest, outcomeOf } from '../controller/serving/decide.ts';
import { type DecisionOutcome, tryToDecide } from './decide.ts';
import { decidedDigest } from '../controller/view/decided.ts';
import { whyNot } from '../controller/view/decision-obstacles.ts';
import { effectiveProfile } from './effective-profile.ts';
import { listProposals } from './list-proposals.ts';
import { parseState } from './parse-state.ts';
import { printable } from './render/printable.ts';
import { reviewSummary } from './render/review-summary.ts';
import { proposalName } from '../controller/view/proposal-names.ts';
import { resolveProposals } from './resolve-proposal.ts';
import { reviews } from './review.ts';
import { reportProblems } from './report-problems.ts';
import { exitCode, InputError, type Terminal } from './terminal.ts';
import { parseDuration, parseExpiry } from './time-options.ts';

interface Options extends ConnectionOptions {
  readonly all?: boolean;
  readonly state: readonly ProposalState[];
  readonly reason?: string;
  readonly expires?: string;
  readonly yes?: boolean;
  readonly digest?: string;
  readonly learning?: boolean;
  readonly wait: number;
  readonly output: 'text' | 'json';
}

/** What tells one of the four deciding commands from the others. */
export interface DecisionWords {
  readonly decision: Decision;
  readonly summary: string;
  readonly description: string;
  readonly help: string;
}

/** A command that writes a PolicyApproval for each of the proposals that it is given, after showing what it means. */
export function decisionCommand(words: DecisionWords, terminal: Terminal, connect: Connect): Command {
  const { decision } = words;
  const command = new Command(decision.toLowerCase())
    .summary(words.summary)
    .description(words.description)
    .argument('[NAME...]', 'proposals')
    .option('--all', 'every proposal of the namespace (or of -A) in the states of --state')
    .addOption(
      new Option('--state <state...>', 'with --all: only these states')
        .argParser(parseState)
        .default([], decision === 'Approve' ? 'Ready' : 'all that the decision is possible for'),
    )
    .option('-m, --reason <text>', 'why, for the audit log')
    .addOption(
      new Option('--expires <when>', 'it counts for nothing from then on: 24h, 7d, 2026-12-31T18:00:00Z').argParser(
        parseExpiry,
      ),
    )
    .option('-y, --yes', 'do not ask')
    .option('--digest <sha256:…>', 'only if this is the digest; at least 8 of its hex digits');
  if (decision === 'Approve') command.option('--learning', 'although not enough was seen');
  command
    .addOption(
      new Option('--wait <duration>', 'how long to wait for what becomes of it; 0: not at all')
        .argParser(parseDuration)
        .default(10_000, '10s'),
    )
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text'));
  return addConnectionOptions(command)
    .addHelpText('after', words.help)
    .action(async (names: string[], options: Options) => {
      const connection = await connect(options);
      const proposals = await chosen(connection, names, decision, options);
      const requests = await possible(connection, proposals, decision, options);
      if (options.yes !== true && !(await confirmed(connection, requests, decision, terminal))) {
        terminal.err('nothing was decided\n');
        terminal.exit(exitCode.input);
        return;
      }
      const outcomes = await carryOut(connection, requests, options.wait, terminal);
      report(outcomes, options.output, terminal);
      const isClaimed = ({ request, approval }: DecisionOutcome) =>
        approval !== undefined && request.effective.profile.approvals.identity === 'claimed';
      if (outcomes.some(isClaimed)) {
        const claimant = printable(await connection.claimant());
        terminal.err(`note: nobody checked that this is ${claimant}: the identity is only claimed\n`);
      }
    });
}

async function chosen(
  connection: Connection,
  names: readonly string[],
  decision: Decision,
  { all, state }: Options,
): Promise<PolicyProposal[]> {
  const wrong = (message: string) => new InputError([problem('ArgumentInvalid', message)]);
  if (all !== true) {
    if (state.length > 0) throw wrong('--state chooses among --all');
    if (names.length === 0) throw wrong('name the proposals, or take --all of a namespace');
    return resolveProposals(connection, names);
  }
  if (names.length > 0) throw wrong('either names or --all');
  const wanted = state.length > 0 ? state : decision === 'Approve' ? (['Ready'] as const) : proposalStates;
  const proposals = (await listProposals(connection.store, connection.namespace)).filter(
    ({ status }) => status !== undefined && wanted.includes(status.state),
  );
  const able = state.length > 0 ? proposals : proposals.filter((proposal) => !whyNot(proposal, decision, {}));
  if (able.length === 0) throw new InputError([problem('ProposalNotFound', 'no proposal is in a state for that')]);
  return able;
}

/** The requests, or InputError with every proposal that the decision is not possible for. */
async function possible(
  { store, systemNamespace, workspace }: Connection,
  proposals: readonly PolicyProposal[],
  decision: Decision,
  { reason, expires, digest: pinned, learning }: Options,
): Promise<DecisionRequest[]> {
  if (pinned !== undefined && (proposals.length > 1 || !/^(?:sha256:)?[0-9a-f]{8,64}$/.test(pinned))) {
    throw new InputError([
      problem('ArgumentInvalid', '--digest is sha256: and hex digits, and goes with one proposal'),
    ]);
  }
  const requests: DecisionRequest[] = [];
  const problems: Problem[] = [];
  for (const proposal of proposals) {
    const effective = await effectiveProfile(store, proposal.metadata.namespace, systemNamespace);
    const obstacle = whyNot(proposal, decision, { pinned, learning, onlyClaims: workspace !== undefined, effective });
    const digest = decidedDigest(proposal, decision);
    if (obstacle !== undefined || digest === undefined) problems.push(...(obstacle ? [obstacle] : []));
    else requests.push({ proposal, decision, digest, reason, expiresAt: expires, effective });
  }
  if (problems.length > 0) throw new InputError(problems);
  return requests;
}

/** Shows what the decision means and asks; InputError where nobody can be asked. */
async function confirmed(
  connection: Connection,
  requests: readonly DecisionRequest[],
  decision: Decision,
  terminal: Terminal,
): Promise<boolean> {
  if (terminal.ask === undefined) {
    const names = requests.map(({ proposal, digest }) => `${proposalName(proposal)} (${digest})`).join(', ');
    const message = `${decision.toLowerCase()} ${names}: nobody can be asked here`;
    throw new InputError([problem('ConfirmationMissing', message)]);
  }
  const summaries = await reviews(
    connection,
    requests.map(({ proposal }) => proposal),
    decision,
  );
  terminal.err(`${reviewSummary(summaries)}\n`);
  const what = requests.length === 1 ? 'it' : `all ${requests.length} of them`;
  const answer = await terminal.ask(`${decision} ${what}? [y/N] `);
  return /^(?:y|yes)$/i.test(answer.trim());
}

/** Every decision is written before any is waited for. */
async function carryOut(
  connection: Connection,
  requests: readonly DecisionRequest[],
  waitMs: number,
  terminal: Terminal,
): Promise<DecisionOutcome[]> {
  const recorded: (DecisionOutcome | { readonly request: DecisionRequest; readonly approval: string })[] = [];
  for (const request of requests) recorded.push(await tryToDecide(connection, request));
  let told = waitMs === 0;
  const onWait = () => {
    if (!told) terminal.err('waiting for the controller\n');
    told = true;
  };
  return Promise.all(
    recorded.map(async (made) =>
      'result' in made
        ? made
        : { ...made, ...(await outcomeOf(connection.store, made.request, made.approval, waitMs, onWait)) },
    ),
  );
}

function report(outcomes: readonly DecisionOutcome[], output: Options['output'], terminal: Terminal): void {
  const made = outcomes.filter(({ result }) => result !== 'failed');
  switch (output) {
    case 'text':
      terminal.out(
        printable(made.map(({ request, message }) => `${proposalName(request.proposal)}: ${message}\n`).join(''), true),
      );
      break;
    case 'json':
      terminal.out(`${JSON.stringify(outcomes.map(outcomeJson), undefined, 2)}\n`);
      break;
  }
  reportProblems(
    outcomes.flatMap(({ failure }) => (failure ? [failure.problem] : [])),
    terminal,
  );
  const codes = outcomes.map(({ result, failure }) => {
    if (failure !== undefined) return failure.exitCode;
    return result === 'ignored' ? exitCode.finding : exitCode.ok;
  });
  const worst = Math.max(...codes);
  if (worst > exitCode.ok) terminal.exit(worst);
}

function outcomeJson({ request, approval, result, message }: DecisionOutcome): unknown {
  const { proposal, decision, digest } = request;
  const { namespace, name } = proposal.metadata;
  return { namespace, proposal: name, decision, digest, approval: approval ?? null, result, message };
}
