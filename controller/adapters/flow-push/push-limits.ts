/** What those who push may ask of the controller at most. */
export interface PushLimits {
  /** Of one body as it is sent. */
  readonly bodyBytes: number;
  /** Of one body without its compression. */
  readonly decodedBytes: number;
  /** Lines, or data points, of one body. */
  readonly records: number;
  /** Of all bodies that were begun and are not saved yet, without their compression. */
  readonly queueBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Until the headers of a request, and a handshake, are complete. */
  readonly headersMs: number;
  /** Until a request is complete. */
  readonly requestMs: number;
  /** Until an answer, whether saved or not. */
  readonly answerMs: number;
}

export const defaultPushLimits: PushLimits = {
  bodyBytes: 4 * 1024 * 1024,
  decodedBytes: 16 * 1024 * 1024,
  records: 50_000,
  queueBytes: 64 * 1024 * 1024,
  connections: 2_000,
  connectionsPerAddress: 100,
  headersMs: 10_000,
  requestMs: 30_000,
  answerMs: 20_000,
};
