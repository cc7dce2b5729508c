import { isObject, type JsonObject } from './json-record.ts';

/** The keys that we read and that a protojson writer with its defaults spells in lowerCamelCase. */
const camelCase: ReadonlyMap<string, string> = new Map(
  [
    'node_name',
    'node_names',
    'pod_name',
    'is_reply',
    'event_type',
    'trace_observation_point',
    'source_port',
    'destination_port',
    'source_names',
    'destination_names',
    'source_service',
    'destination_service',
    'drop_reason',
    'drop_reason_desc',
    'lost_events',
    'num_events_lost',
    'node_status',
    'state_change',
    'agent_event',
    'debug_event',
  ].map((name) => [name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), name]),
);

const deepest = 6;

/** The record with the keys that we read in snake case, whichever way its writer spelled them. */
export function snakeCased(record: JsonObject, depth = 0): JsonObject {
  const renamed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(record)) {
    // A key of Object.prototype must stay an own property and nothing else.
    if (key === '__proto__') continue;
    renamed[camelCase.get(key) ?? key] = isObject(value) && depth < deepest ? snakeCased(value, depth + 1) : value;
  }
  return renamed;
}

/** Whether the flow has one of the snake-case keys that nearly every flow has; if not, it may be camel case. */
export function isSnakeCased(flow: JsonObject): boolean {
  return flow['node_name'] !== undefined || flow['event_type'] !== undefined || flow['is_reply'] !== undefined;
}
