import type { ProducerCheck } from './producer-check.ts';
import { PushRefusal } from './push-refusal.ts';

/** Whoever has a certificate of the clients' authority may push, as the one that it names; others as `otherwise` says. */
export function byCertificate(otherwise?: ProducerCheck): ProducerCheck {
  return {
    check: async (credentials, path) => {
      if (credentials.certificateName !== undefined) return { name: credentials.certificateName, node: undefined };
      if (otherwise !== undefined) return otherwise.check(credentials, path);
      const message =
        'a client certificate is needed, signed by the authority that the controller was given for clients';
      throw new PushRefusal('Unauthenticated', message);
    },
  };
}
