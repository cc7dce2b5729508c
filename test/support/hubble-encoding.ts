import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

type Json = { readonly [key: string]: unknown };

const root = protobuf.parse(readFileSync(new URL('hubble.proto', import.meta.url), 'utf8'), { keepCase: true }).root;
// the parser leaves the well-known types to whoever resolves imports
for (const name of ['any', 'field_mask', 'timestamp', 'wrappers']) {
  const { nested } = protobuf.common.get(`google/protobuf/${name}.proto`) ?? {};
  if (nested !== undefined) root.addJSON(nested);
}
root.resolveAll();

/** Bytes of a message of the Observer service, given as Hubble's CLI prints it, by an encoder that is not ours. */
export function encodeHubble(type: string, json: Json): Buffer {
  const message = root.lookupType(`observer.${type}`);
  const problem = message.verify(fromJson(message, json));
  if (problem !== null) throw new Error(`${type}: ${problem}`);
  return Buffer.from(message.encode(message.fromObject(fromJson(message, json))).finish());
}

/** The message of these bytes, enums as numbers, numbers of 64 bits as numbers. */
export function decodeHubble(type: string, bytes: Uint8Array): Json {
  const message = root.lookupType(`observer.${type}`);
  return message.toObject(message.decode(bytes), { longs: Number, defaults: true });
}

/** What the JSON of protobuf writes in another way than the library's objects: times, wrapped values, enums. */
function fromJson(type: protobuf.Type, json: Json): Json {
  const object: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    const field = type.fields[key];
    if (field === undefined || value === undefined) continue;
    const convert = (item: unknown): unknown => {
      const { resolvedType } = field;
      if (resolvedType instanceof protobuf.Enum) {
        return typeof item === 'string' ? resolvedType.values[item] : item;
      }
      if (resolvedType === null || resolvedType === undefined) return field.type.endsWith('64') ? Number(item) : item;
      switch (resolvedType.fullName) {
        case '.google.protobuf.Timestamp':
          return timestamp(item as string);
        case '.google.protobuf.Any':
          return { type_url: (item as Json)['@type'], value: Buffer.from('nothing that we read') };
        case '.google.protobuf.BoolValue':
        case '.google.protobuf.Int32Value':
        case '.google.protobuf.UInt32Value':
          return { value: item };
        default:
          return fromJson(resolvedType as protobuf.Type, item as Json);
      }
    };
    object[key] = field.repeated ? (value as unknown[]).map(convert) : convert(value);
  }
  return object;
}

function timestamp(text: string): Json {
  const [, second = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
  return { seconds: Date.parse(`${second}Z`) / 1000, nanos: Number(fraction.padEnd(9, '0').slice(0, 9)) };
}
