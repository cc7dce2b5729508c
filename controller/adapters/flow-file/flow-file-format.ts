import { type FlowSourceKind, flowSourceKinds } from '../../model/flow.ts';

/** Kinds of sources that come as files of lines. */
export type FlowFileFormat = Exclude<FlowSourceKind, 'opentelemetry'>;

export const flowFileFormats: readonly FlowFileFormat[] = flowSourceKinds.filter((kind) => kind !== 'opentelemetry');
