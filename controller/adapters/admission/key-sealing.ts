import { sign, verify } from 'node:crypto';
import type { Sealing } from '../../ports.ts';
import type { KeyRing } from './key-ring.ts';

/** Seals with the keys that stamp approvals; texts of the two begin differently, so that none passes for the other. */
export function keySealing(keys: Pick<KeyRing, 'stampingKey' | 'verificationKeys'>): Sealing {
  return {
    sign: (text) => {
      const { keyId, key } = keys.stampingKey();
      return { keyId, signature: sign(null, Buffer.from(text), key).toString('base64') };
    },
    verify: (text, { keyId, signature }) => {
      const key = keys.verificationKeys().get(keyId);
      if (key === undefined) return `it is signed with ${JSON.stringify(keyId)}, which is no key of nanoseg's`;
      if (verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'))) return 'valid';
      return 'its signature does not fit what it says';
    },
  };
}
