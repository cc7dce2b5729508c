import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Certificates, renewCertificates } from './certificates.ts';
import { renewSigningKeys, type StoredKey } from './signing-keys.ts';

/** Everything secret that the replicas share. */
export interface KeyMaterial {
  readonly version: 1;
  /** Newest first, at most two. Only who knows one may ask for a stamp: the API server, from the webhook's path. */
  readonly webhookTokens: readonly string[];
  /** Newest first. */
  readonly signingKeys: readonly StoredKey[];
  readonly certificates: Certificates;
}

const text = z.string().min(1);
const keptCertificate = { certificate: text, privateKey: text, createdAtMs: z.number(), notAfterMs: z.number() };
const keyMaterialSchema = z.strictObject({
  version: z.literal(1),
  webhookTokens: z.array(z.string().regex(/^[0-9a-f]{64}$/)).min(1),
  signingKeys: z
    .array(z.strictObject({ keyId: text, publicKey: text, privateKey: text.optional(), createdAtMs: z.number() }))
    .min(1),
  certificates: z.strictObject({
    authorities: z.array(z.strictObject(keptCertificate)).min(1),
    serving: z.strictObject({ ...keptCertificate, hosts: z.array(text) }),
  }),
});

/** Undefined for a text that this version of nanoseg did not write. */
export function parseKeyMaterial(json: string): KeyMaterial | undefined {
  try {
    return keyMaterialSchema.safeParse(JSON.parse(json)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** All that is due made anew, from nothing where there is nothing yet; the same value when nothing is due. */
export async function renewKeyMaterial(
  current: KeyMaterial | undefined,
  hosts: readonly string[],
  nowMs: number,
): Promise<KeyMaterial> {
  const certificates = await renewCertificates(current?.certificates, hosts, nowMs);
  const signingKeys = renewSigningKeys(current?.signingKeys ?? [], nowMs);
  if (certificates === current?.certificates && signingKeys === current.signingKeys) return current;
  const isNewKey = signingKeys[0]?.keyId !== current?.signingKeys[0]?.keyId;
  const webhookTokens = current !== undefined && !isNewKey ? current.webhookTokens : withNewToken(current);
  return { version: 1, webhookTokens, signingKeys, certificates };
}

function withNewToken(current: KeyMaterial | undefined): readonly string[] {
  return [randomBytes(32).toString('hex'), ...(current?.webhookTokens ?? []).slice(0, 1)];
}
