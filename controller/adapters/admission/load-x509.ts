import type * as x509 from '@peculiar/x509';

/** The three functions of decorator metadata that the certificate library's dependency injection calls while it loads. */
interface MetadataReflect {
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
}

/**
 * The certificate library, loaded when it is needed. It refuses to load without decorator metadata on `Reflect`, of
 * which it stores nothing but a list per class: a WeakMap is all that this takes.
 */
export async function loadX509(): Promise<typeof x509> {
  const reflect = Reflect as MetadataReflect;
  if (reflect.getMetadata === undefined) {
    const stored = new WeakMap<object, Map<unknown, unknown>>();
    const own = (key: unknown, target: object): unknown => stored.get(target)?.get(key);
    reflect.getOwnMetadata = own;
    reflect.getMetadata = (key, target) => {
      for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
        const value = own(key, at);
        if (value !== undefined) return value;
      }
      return undefined;
    };
    reflect.defineMetadata = (key, value, target) => {
      const entries = stored.get(target) ?? new Map<unknown, unknown>();
      stored.set(target, entries.set(key, value));
    };
  }
  return await import('@peculiar/x509');
}
