import { EVENT_ID, getScalarValue, parseEvents } from 'js-yaml';
import { countNewlines } from './kubernetes-yaml.ts';
import { manifestLimits } from './limits.ts';

/** Line (from 1) of every field and item of a document that readYamlDocument could read, by path: `spec.cidrs[0]`. */
export function yamlLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  /** Collections being read; `field` is the key whose value comes next, undefined where a key or an item does. */
  const open: { readonly path: string; next: number | undefined; field: string | undefined }[] = [];
  /** Fields come in the order of the text: what was counted up to one counts for the next. */
  let counted = { offset: 0, newlines: 0 };
  const note = (path: string, offset: number) => {
    if (lines.has(path)) return;
    const from = offset >= counted.offset ? counted : { offset: 0, newlines: 0 };
    const to = Math.max(offset, 0);
    counted = { offset: to, newlines: from.newlines + countNewlines(text, from.offset, to) };
    lines.set(path, counted.newlines + 1);
  };
  const enter = (offset: number): string => {
    const parent = open.at(-1);
    if (parent === undefined) return '';
    const path =
      parent.next === undefined
        ? [parent.path, parent.field].filter(Boolean).join('.')
        : `${parent.path}[${parent.next++}]`;
    note(path, offset);
    parent.field = undefined;
    return path;
  };
  for (const event of parseEvents(text, { maxDepth: manifestLimits.depth })) {
    switch (event.type) {
      case EVENT_ID.SEQUENCE:
        open.push({ path: enter(event.start), next: 0, field: undefined });
        break;
      case EVENT_ID.MAPPING:
        open.push({ path: enter(event.start), next: undefined, field: undefined });
        break;
      case EVENT_ID.SCALAR: {
        const parent = open.at(-1);
        if (parent !== undefined && parent.next === undefined && parent.field === undefined) {
          parent.field = getScalarValue(text, event);
          note([parent.path, parent.field].filter(Boolean).join('.'), event.valueStart);
        } else enter(event.valueStart);
        break;
      }
      case EVENT_ID.ALIAS:
        enter(event.anchorStart);
        break;
      case EVENT_ID.POP:
        open.pop();
        break;
      case EVENT_ID.DOCUMENT:
        break;
    }
  }
  return lines;
}
