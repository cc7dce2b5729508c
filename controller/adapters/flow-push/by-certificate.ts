import type { ProducerCheck } from './producer-check.ts';
import { PushRefusal } from './push-refusal.ts';

const needed = 'one that names somebody and is signed by the authority that the controller was given for clients';

/** Whoever has a certificate of the clients' authority may push, as the one that it names; others as `otherwise` says. */
export function byCertificate(otherwise?: ProducerCheck): ProducerCheck {
  return {
    check: async (credentials, path) => {
      const { certificateName: name, certificateFault: fault, token } = credentials;
      if (name !== undefined) return { name, node: undefined };
      if (fault !== undefined && token === undefined) {
        throw new PushRefusal('Unauthenticated', `the client certificate is not accepted (${fault}): ${needed}`);
      }
      if (otherwise !== undefined) return otherwise.check(credentials, path);
      throw new PushRefusal('Unauthenticated', `a client certificate is needed: ${needed}`);
    },
  };
}
