import { hash, sign, verify } from 'node:crypto';
import type { Sealing } from '../../ports.ts';
import type { KeyRing } from './key-ring.ts';

/** So many seals that were found good are remembered. */
const remembered = 20_000;

/** Seals with the keys that stamp approvals; texts of the two begin differently, so that none passes for the other. */
export function keySealing(keys: Pick<KeyRing, 'stampingKey' | 'verificationKeys'>): Sealing {
  /** Hashes of texts by their signatures, oldest first: the same seals are looked at again and again. */
  const good = new Map<string, string>();
  return {
    sign: (text) => {
      const { keyId, key } = keys.stampingKey();
      return { keyId, signature: sign(null, Buffer.from(text), key).toString('base64') };
    },
    verify: (text, { keyId, signature }) => {
      const key = keys.verificationKeys().get(keyId);
      if (key === undefined) return `it is signed with ${JSON.stringify(keyId)}, which is no key of nanoseg's`;
      const seal = `${keyId} ${signature}`;
      const digest = hash('sha256', text, 'base64');
      if (good.get(seal) === digest) return 'valid';
      if (!verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64')))
        return 'its signature does not fit what it says';
      good.set(seal, digest);
      for (const oldest of good.keys()) {
        if (good.size <= remembered) break;
        good.delete(oldest);
      }
      return 'valid';
    },
  };
}
