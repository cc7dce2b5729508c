import type { FlowFileFormat } from './flow-file-format.ts';
import { type FlowRecords, rememberingFormats } from './flow-records.ts';

/** Lines that are read again after a restart, in bytes, for formats that remember connections. */
const rememberedBytes = 32 * 1024 * 1024;
/** Places are remembered no closer to each other than this. */
const pointBytes = 64 * 1024;

interface Place {
  readonly offset: number;
  readonly line: number;
}

/**
 * From where a file must be read again, without counting, so that the rest is understood as it would have been: from the
 * line of a record that is not complete, and from some way back in formats of which each line hangs on those before it.
 */
export class ReplayPoints {
  #places: Place[] = [];

  /** Notes a place between two lines. */
  pass(place: Place): void {
    const last = this.#places.at(-1);
    if (last === undefined || place.offset - last.offset >= pointBytes) this.#places.push(place);
  }

  /** Undefined: from where reading stopped. Places that are not needed any more are forgotten. */
  pointFor({ format, openLine }: Pick<FlowRecords, 'format' | 'openLine'>, offset: number): Place | undefined {
    const sinceOffset = remembers(format) ? offset - rememberedBytes : Number.POSITIVE_INFINITY;
    const sinceLine = openLine ?? Number.POSITIVE_INFINITY;
    const next = this.#places.findIndex((place) => place.offset > sinceOffset || place.line >= sinceLine);
    const needed = next < 0 ? this.#places.length - 1 : next - 1;
    if (sinceOffset === Number.POSITIVE_INFINITY && openLine === undefined) {
      this.#places = [];
      return undefined;
    }
    this.#places.splice(0, Math.max(needed, 0));
    return this.#places[0];
  }
}

function remembers(format: FlowFileFormat | undefined): boolean {
  return format !== undefined && rememberingFormats.has(format);
}
