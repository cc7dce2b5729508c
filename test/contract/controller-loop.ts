import type { ExecutionContext } from 'ava';
import type { ControllerWorld } from '../support/controller-world.ts';
import { WatchedNamespace } from '../support/watched-namespace.ts';
import { approvalClaims } from './controller-approvals.ts';
import { closingClaims } from './controller-closing.ts';
import { deviationClaims } from './controller-deviations.ts';
import { driftClaims } from './controller-drift.ts';
import { editClaims } from './controller-edits.ts';
import { modeClaims } from './controller-modes.ts';
import { settledClaims } from './controller-settled.ts';
import { takingBackClaims } from './controller-taking-back.ts';

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** A claim about one namespace, which nothing is in yet. */
export type Claim = (
  title: string,
  check: (t: ExecutionContext, shop: WatchedNamespace, world: ControllerWorld) => Promise<void>,
) => void;

export interface LoopContract {
  /** Beside all others. */
  readonly claim: Claim;
  /** Alone, because it is about everything that there is. */
  readonly claimAlone: Claim;
}

/** What the controller does with evidence and decisions, whatever the objects are kept in. */
export function controllerLoopContract(
  { beside, alone }: { readonly beside: Run; readonly alone: Run },
  name: string,
  world: () => ControllerWorld,
): void {
  let namespaces = 0;
  const claimOn =
    (run: Run): Claim =>
    (title, check) =>
      run(`${name}: ${title}`, async (t) => {
        const namespace = `shop-${++namespaces}`;
        await world().backend.makeNamespace(namespace, { team: 'shop' });
        await check(t, new WatchedNamespace(world(), namespace), world());
      });
  const contract: LoopContract = { claim: claimOn(beside), claimAlone: claimOn(alone) };
  for (const claims of [
    settledClaims,
    approvalClaims,
    modeClaims,
    editClaims,
    driftClaims,
    takingBackClaims,
    deviationClaims,
    closingClaims,
  ]) {
    claims(contract);
  }
}
