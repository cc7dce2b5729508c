import type { PushRefusalCode } from './push-refusal.ts';

/** What happens at the endpoint, for whoever measures it. */
export interface PushFigures {
  /** A batch was read, and is saved next. */
  taken(path: string, records: number, rejected: number): void;
  /** A batch came again that was saved before. */
  repeated(): void;
  refused(code: PushRefusalCode): void;
  /** A connection was one too many. */
  turnedAway(): void;
  /** Of a body, without its compression. */
  received(bytes: number): void;
  /** Of all that was begun and is not saved yet. */
  held(bytes: number): void;
}
