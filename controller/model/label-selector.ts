/** Labels or annotations of one object. */
export type Labels = Readonly<Record<string, string>>;

const selectorOperators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
export type SelectorOperator = (typeof selectorOperators)[number];

export interface SelectorRequirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  /** Present and not empty for In and NotIn, absent for Exists and DoesNotExist. */
  readonly values?: readonly string[];
}

/** A Kubernetes label selector exactly as it is stored. Both parts are ANDed; no part at all selects everything. */
export interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly SelectorRequirement[];
}

/** Whether the selector matches, with Kubernetes' rule that NotIn and DoesNotExist also match where the key is absent. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement({ key, operator, values = [] }: SelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** True for `{}` and its spellings with empty parts: it selects every object. */
export function selectsEverything(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/**
 * One text per meaning, for use as a map key: matchLabels become In requirements with one value, keys and values are
 * sorted, repeated requirements fall together.
 */
export function selectorKey(selector: LabelSelector): string {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const parts = Object.keys(matchLabels).map((key) => requirementKey(key, 'In', [matchLabels[key] as string]));
  for (const { key, operator, values = [] } of matchExpressions) {
    parts.push(requirementKey(key, operator, [...new Set(values)].sort()));
  }
  return parts.length === 1 ? (parts[0] as string) : [...new Set(parts)].sort().join('&');
}

function requirementKey(key: string, operator: SelectorOperator, values: readonly string[]): string {
  return `${JSON.stringify(key)} ${operator} ${values.map((value) => JSON.stringify(value)).join()}`;
}

/** `app=web, tier in (a, b), !legacy`; `every pod` is for the caller to say when the selector is empty. */
export function formatSelector(selector: LabelSelector): string {
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    switch (operator) {
      case 'In':
        parts.push(`${key} in (${values.join(', ')})`);
        break;
      case 'NotIn':
        parts.push(`${key} not in (${values.join(', ')})`);
        break;
      case 'Exists':
        parts.push(key);
        break;
      case 'DoesNotExist':
        parts.push(`!${key}`);
        break;
    }
  }
  return parts.join(', ');
}

const labelName = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelPrefix = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

export function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  if (slash < 0) return labelName.test(key);
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && labelPrefix.test(prefix) && labelName.test(key.slice(slash + 1));
}

export function isLabelValue(value: string): boolean {
  return value === '' || labelName.test(value);
}

/** What the API server would refuse in this selector, each as a sentence that starts with the field; empty when valid. */
export function selectorFaults(selector: LabelSelector): string[] {
  const faults: string[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!isLabelKey(key)) faults.push(`matchLabels: ${JSON.stringify(key)} is not a label key`);
    if (!isLabelValue(value)) faults.push(`matchLabels.${key}: ${JSON.stringify(value)} is not a label value`);
  }
  for (const [i, { key, operator, values }] of (selector.matchExpressions ?? []).entries()) {
    const at = `matchExpressions[${i}]`;
    if (!isLabelKey(key)) faults.push(`${at}: ${JSON.stringify(key)} is not a label key`);
    const listed = operator === 'In' || operator === 'NotIn';
    if (listed && (values ?? []).length === 0) faults.push(`${at}: ${operator} needs at least one value`);
    if (!listed && (values ?? []).length > 0) faults.push(`${at}: ${operator} takes no values`);
    for (const value of values ?? []) {
      if (!isLabelValue(value)) faults.push(`${at}: ${JSON.stringify(value)} is not a label value`);
    }
  }
  return faults;
}
