import type { LabelSelector, SelectorRequirement } from '../model/label-selector.ts';

/** More atoms than this are not looked at: then nobody says that one selector is within the other. */
const atomLimit = 256;

/** A selector as requirements that all hold, each `In` of one value only. */
export type SelectorAtom = readonly SelectorRequirement[];

/** The atoms that a selector is the union of; undefined when there are too many. */
export function selectorAtoms({ matchLabels = {}, matchExpressions = [] }: LabelSelector): SelectorAtom[] | undefined {
  let atoms: SelectorAtom[] = [
    Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
  ];
  for (const requirement of matchExpressions) {
    const { key, operator, values = [] } = requirement;
    const choices =
      operator === 'In' ? values.map((value) => ({ key, operator: 'In' as const, values: [value] })) : [requirement];
    if (atoms.length * choices.length > atomLimit) return undefined;
    atoms = atoms.flatMap((atom) => choices.map((choice) => [...atom, choice]));
  }
  return atoms;
}

/**
 * Whether everything that the atom selects, now and whenever, is selected by the selector too: each requirement of the
 * selector follows from one of the atom's. Never true by accident of the labels that there are.
 */
export function isWithin(atom: SelectorAtom, { matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => follows({ key, operator: 'In', values: [value] }, atom)) &&
    matchExpressions.every((requirement) => follows(requirement, atom))
  );
}

function follows({ key, operator, values = [] }: SelectorRequirement, atom: SelectorAtom): boolean {
  return atom.some((known) => {
    if (known.key !== key) return false;
    const those = known.values ?? [];
    switch (operator) {
      case 'In':
        return known.operator === 'In' && those.every((value) => values.includes(value));
      case 'Exists':
        return known.operator === 'In' || known.operator === 'Exists';
      case 'NotIn':
        if (known.operator === 'In') return !those.some((value) => values.includes(value));
        if (known.operator === 'NotIn') return values.every((value) => those.includes(value));
        return known.operator === 'DoesNotExist';
      case 'DoesNotExist':
        return known.operator === 'DoesNotExist';
    }
  });
}
