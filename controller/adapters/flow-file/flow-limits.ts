/** What a record may ask of us at most; a record over a limit is rejected and the reason names the limit. */
export interface FlowLimits {
  /** Bytes of one line, or of one record joined from the partial lines of a container log. */
  readonly lineBytes: number;
  /** How deep arrays and objects may be nested in one JSON record. */
  readonly nesting: number;
  readonly labelsPerEndpoint: number;
  readonly dnsNamesPerEndpoint: number;
}

export const defaultFlowLimits: FlowLimits = {
  lineBytes: 1024 * 1024,
  nesting: 1000,
  labelsPerEndpoint: 256,
  dnsNamesPerEndpoint: 256,
};
