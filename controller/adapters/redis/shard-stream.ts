/**
 * A stream of a shard has entries of these fields: `w`, how many batches were appended since the stream was empty last, with
 * those of the entry; `n`, how many those are; `b`, a line for the producer and number of each and one for its text.
 *
 * Here is a function of scripts, of the key of a stream: how many batches wait there, `w` of the last entry, and the id of
 * the first one, or nothing. An entry of another version counts as one.
 */
export const waitingFunction = `
local function waiting(key)
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  if not first then return 0, 0 end
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local total = tonumber(last[2][2]) or 0
  local before = (tonumber(first[2][2]) or 0) - (tonumber(first[2][4]) or 1)
  return math.max(total - before, redis.call('XLEN', key)), total, first[1]
end`;

/** A batch as it is in an entry. */
export interface StreamBatch {
  readonly producer: string;
  readonly number: number;
  readonly text: string;
}

/** The texts of the batches have no line feed. */
export function entryText(batches: readonly StreamBatch[]): string {
  return batches.map(({ producer, number, text }) => `${JSON.stringify(producer)} ${number}\n${text}`).join('\n');
}

/**
 * Reads all fields and values of an entry. Undefined: a batch, or all of them, of another version, or damaged. `names`: who
 * reads many entries keeps it.
 */
export function batchesOf(fields: readonly string[], names = new ProducerNames()): (StreamBatch | undefined)[] {
  const [w, , n, , b, text] = fields;
  if (w !== 'w' || n !== 'n' || b !== 'b' || text === undefined) return [undefined];
  const lines = text.split('\n');
  const batches: (StreamBatch | undefined)[] = [];
  for (let i = 0; i < lines.length; i += 2) batches.push(batchOf(lines[i] as string, lines[i + 1], names));
  return batches;
}

function batchOf(line: string, text: string | undefined, names: ProducerNames): StreamBatch | undefined {
  const end = line.lastIndexOf(' ');
  const number = Number(line.slice(end + 1));
  if (end < 0 || text === undefined || !Number.isSafeInteger(number)) return undefined;
  const producer = names.of(line.slice(0, end));
  return producer === undefined ? undefined : { producer, number, text };
}

const mostNames = 1 << 14;

/** Each name once while there is room: what remembers batches remembers their producers. */
export class ProducerNames {
  readonly #known = new Map<string, string>();

  /** Undefined: no JSON of a text. */
  of(json: string): string | undefined {
    const known = this.#known.get(json);
    if (known !== undefined) return known;
    try {
      const name: unknown = JSON.parse(json);
      if (typeof name !== 'string') return undefined;
      if (this.#known.size >= mostNames) this.#known.clear();
      this.#known.set(json, name);
      return name;
    } catch {
      return undefined;
    }
  }
}
