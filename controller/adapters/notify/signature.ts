import { createHmac } from 'node:crypto';

/**
 * The header `X-Nanoseg-Signature`: `t=<seconds since 1970>,v1=<hex>`, where v1 is the HMAC-SHA-256 of `<t>.<body>`. A receiver
 * computes it again with the shared secret and refuses what is old, so that nothing can be forged or played back.
 */
export function signatureOf(body: string, secret: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
