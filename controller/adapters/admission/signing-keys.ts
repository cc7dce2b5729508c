import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { StampingKey, VerificationKeys } from './approval-stamp.ts';

/** One Ed25519 key as it is kept. */
export interface StoredKey {
  /** Fingerprint: the first 32 hex digits of SHA-256 over the public key (SPKI, DER). */
  readonly keyId: string;
  /** SPKI, PEM. */
  readonly publicKey: string;
  /** PKCS #8, PEM; absent once the key only verifies. */
  readonly privateKey?: string | undefined;
  readonly createdAtMs: number;
}

const dayMs = 24 * 60 * 60_000;
const keyLifeMs = 365 * dayMs;
/**
 * A new key signs only when every replica had the time to read it, so that none of them meets a stamp that it cannot
 * verify. Until then the former one signs.
 */
const publishedForMs = 10 * 60_000;

/** The keys with a new one where the newest is a year old, newest first; the same array when nothing is due. */
export function renewSigningKeys(keys: readonly StoredKey[], nowMs: number): readonly StoredKey[] {
  const [newest] = keys;
  if (newest === undefined || nowMs - newest.createdAtMs >= keyLifeMs) return withNewSigningKey(keys, nowMs);
  const signing = signingKeyAt(keys, nowMs);
  const former = keys.slice(keys.indexOf(signing) + 1);
  if (former.every(({ privateKey }) => privateKey === undefined)) return keys;
  return keys.map((key) => (former.includes(key) ? publicPart(key) : key));
}

/** The keys with a new one in front. Those before it go on verifying what they signed. */
function withNewSigningKey(keys: readonly StoredKey[], nowMs: number): readonly StoredKey[] {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const fingerprint = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  const key: StoredKey = {
    keyId: fingerprint.digest('hex').slice(0, 32),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    createdAtMs: nowMs,
  };
  return [key, ...keys];
}

/** The key that signs at this time. */
export function stampingKey(keys: readonly StoredKey[], nowMs: number): StampingKey {
  const { keyId, privateKey } = signingKeyAt(keys, nowMs);
  return { keyId, key: createPrivateKey(privateKey ?? '') };
}

export function verificationKeys(keys: readonly StoredKey[]): VerificationKeys {
  return new Map(keys.map(({ keyId, publicKey }) => [keyId, createPublicKey(publicKey)]));
}

function signingKeyAt(keys: readonly StoredKey[], nowMs: number): StoredKey {
  const able = keys.filter(({ privateKey }) => privateKey !== undefined);
  const signing = able.find(({ createdAtMs }) => nowMs - createdAtMs >= publishedForMs) ?? able.at(-1);
  if (signing === undefined) throw new Error('none of the signing keys has a private part');
  return signing;
}

function publicPart({ keyId, publicKey, createdAtMs }: StoredKey): StoredKey {
  return { keyId, publicKey, createdAtMs };
}
