/** Plain data that YAML can say; a key whose value is undefined is left out. */
type YamlValue = string | number | boolean | readonly YamlValue[] | YamlMapping;
interface YamlMapping {
  readonly [key: string]: YamlValue | undefined;
}

/** Lines of comment to stand over an object: the document itself, or an item of a list, by identity. */
export type YamlComments = ReadonlyMap<object, readonly string[]>;

const noComments: YamlComments = new Map();

/**
 * One YAML document, with a final newline and no `---`. Keys keep the order of the object, lists are indented by two
 * spaces, and whatever a YAML 1.1 reader (which Kubernetes has) or a YAML 1.2 reader could take for anything but text
 * is quoted, so that both read back exactly this value; text of several lines stands as such (`|`), where it can be, so
 * that a person can read and edit it. Equal input gives equal bytes. Our own emitter, because general ones are an order
 * of magnitude slower and none of them is safe for both versions of YAML by default.
 */
export function renderYaml(value: object, comments: YamlComments = noComments): string {
  return commentText(comments.get(value), '') + (mappingText(value as YamlMapping, '', '', comments) || '{}\n');
}

/** Several documents in one text, separated by `---`. */
export function renderYamlDocuments(values: readonly object[], comments: YamlComments = noComments): string {
  return values.map((value) => renderYaml(value, comments)).join('---\n');
}

/** `first` stands before the first key: a list item's first key follows its dash. */
function mappingText(mapping: YamlMapping, indent: string, first: string, comments: YamlComments): string {
  let text = '';
  let lead = first;
  for (const key of Object.keys(mapping)) {
    const value = mapping[key];
    if (value === undefined) continue;
    text += `${lead}${scalarText(key)}:${valueText(value, indent, comments)}`;
    lead = indent;
  }
  return text;
}

function valueText(value: YamlValue, indent: string, comments: YamlComments): string {
  if (typeof value === 'string') return ` ${blockText(value, `${indent}  `) ?? `${scalarText(value)}\n`}`;
  if (typeof value !== 'object') return ` ${value}\n`;
  if (isList(value)) return value.length === 0 ? ' []\n' : `\n${listText(value, `${indent}  `, comments)}`;
  if (isEmptyMapping(value)) return ' {}\n';
  return `\n${mappingText(value, `${indent}  `, `${indent}  `, comments)}`;
}

function listText(list: readonly YamlValue[], indent: string, comments: YamlComments): string {
  let text = '';
  for (const item of list) text += itemText(item, indent, comments);
  return text;
}

function itemText(item: YamlValue, indent: string, comments: YamlComments): string {
  if (typeof item === 'string') return `${indent}- ${blockText(item, `${indent}  `) ?? `${scalarText(item)}\n`}`;
  if (typeof item !== 'object') return `${indent}- ${item}\n`;
  const comment = commentText(comments.get(item), indent);
  const inner = `${indent}  `;
  if (isList(item))
    return `${comment}${indent}-${item.length === 0 ? ' []\n' : `\n${listText(item, inner, comments)}`}`;
  if (isEmptyMapping(item)) return `${comment}${indent}- {}\n`;
  return comment + mappingText(item, inner, `${indent}- `, comments);
}

function isList(value: object): value is readonly YamlValue[] {
  return Array.isArray(value);
}

function isEmptyMapping(mapping: YamlMapping): boolean {
  for (const key in mapping) if (mapping[key] !== undefined) return false;
  return true;
}

/** Letters first, then nothing that could end a plain scalar, start a comment, or be read as a number, date or `key: value`. */
const plainText = /^[A-Za-z](?:[A-Za-z0-9_./-]|:(?=[A-Za-z]))*$/;
const plainIpv4Block = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\/\d{1,2}$/;
/** What some version of YAML reads as a boolean or as null. */
const reservedWord = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

function scalarText(text: string): string {
  if (plainText.test(text) ? !reservedWord.test(text) : plainIpv4Block.test(text)) return text;
  return quotedText(text);
}

/** Visible characters only: what reorders, hides or breaks lines elsewhere is quoted, where it shows as an escape. */
const visibleLines = /^[\n\x20-\x7e\p{L}\p{M}\p{N}\p{P}\p{S}]*$/u;
/** A reader takes the indentation from the first line; lines of spaces, and blank ones at the end, get lost in editors. */
const unsafeLines = /^[ \n]|\n +(?:\n|$)|\n\n$/;

/** A literal block scalar with its final newline, where one reads back as exactly this text. */
function blockText(text: string, indent: string): string | undefined {
  if (!text.includes('\n') || !visibleLines.test(text) || unsafeLines.test(text)) return undefined;
  const ends = text.endsWith('\n');
  const lines = (ends ? text.slice(0, -1) : text).split('\n');
  return `${ends ? '|' : '|-'}\n${lines.map((line) => (line === '' ? '\n' : `${indent}${line}\n`)).join('')}`;
}

/** A double-quoted scalar in printable ASCII only; JSON's escapes are YAML's as well. */
function quotedText(text: string): string {
  return JSON.stringify(text).replaceAll(/[^\x20-\x7e]/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
  });
}

function commentText(lines: readonly string[] | undefined, indent: string): string {
  let text = '';
  for (const line of lines ?? []) text += `${indent}${`# ${harmless(line)}`.trimEnd()}\n`;
  return text;
}

/** Names and labels come from whoever may write objects: nothing of them may end the comment or redraw a terminal. */
function harmless(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/g, '?');
}
