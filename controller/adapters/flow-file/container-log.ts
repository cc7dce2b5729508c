import { parseRfc3339 } from './rfc3339.ts';

/** One record out of the lines of a file, with the number of the line where it begins. */
export interface LoggedRecord {
  readonly text: string;
  readonly line: number;
  /** When the container wrote it, by its log. */
  readonly loggedMs: number | undefined;
}

/** What became of a line: a record, a part of one that is not complete yet, or too long a record. */
export type Unwrapped = LoggedRecord | 'partial' | { readonly tooLongFrom: number };

interface Part {
  text: string;
  readonly line: number;
  readonly loggedMs: number | undefined;
  tooLong: boolean;
}

/** `<time> stdout|stderr P|F <text>` as container runtimes write it, or `<time> <text>` of `kubectl logs --timestamps`. */
const prefix = /^(\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d)) (?:(stdout|stderr) ([PF])(?::\S*)? )?/;

/**
 * Takes the prefix of a container log off each line and joins lines that the runtime cut into parts (tag `P` until the tag
 * `F` of the same stream).
 */
export class ContainerLog {
  readonly #limitBytes: number;
  readonly #parts = new Map<string, Part>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  unwrap(line: string, number: number): Unwrapped {
    const found = prefix.exec(line);
    if (found === null) return { text: line, line: number, loggedMs: undefined };
    const [whole, time = '', stream = '', tag] = found;
    const text = line.slice(whole.length);
    const started = this.#parts.get(stream);
    if (tag === 'P') {
      if (started === undefined) {
        this.#parts.set(stream, { text, line: number, loggedMs: parseRfc3339(time), tooLong: false });
      } else this.#append(started, text);
      return 'partial';
    }
    if (started === undefined) return { text, line: number, loggedMs: parseRfc3339(time) };
    this.#parts.delete(stream);
    this.#append(started, text);
    return started.tooLong ? { tooLongFrom: started.line } : started;
  }

  /** Lines at which records begin whose end never came. */
  unfinished(): readonly number[] {
    return [...this.#parts.values()].map(({ line }) => line).sort((a, b) => a - b);
  }

  #append(part: Part, text: string): void {
    if (part.tooLong || Buffer.byteLength(part.text) + Buffer.byteLength(text) > this.#limitBytes) {
      part.tooLong = true;
      part.text = '';
    } else part.text += text;
  }
}
