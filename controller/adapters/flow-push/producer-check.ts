/** Somebody who may push. */
export interface Pusher {
  /** As whoever vouches for it calls it; empty: nobody does, and nobody needs to. */
  readonly name: string;
  /** The only node that it may speak for; undefined: any. */
  readonly node: string | undefined;
}

/** What a request has to show. */
export interface Credentials {
  readonly token: string | undefined;
  /** Common name of a client certificate that was checked. */
  readonly certificateName: string | undefined;
  /** Why a client certificate that was shown is not accepted. */
  readonly certificateFault?: string | undefined;
}

/** Who may push where. Rejects with PushRefusal. */
export interface ProducerCheck {
  check(credentials: Credentials, path: string): Promise<Pusher>;
}

/** What a cluster has for those who push to a port: who they are, and what they know the controller by. */
export interface PushAccess {
  readonly producers: ProducerCheck;
  /** PEM. */
  servingCertificate(): { readonly cert: string; readonly key: string };
  /** Calls back when the certificate is another. Returns the end of the subscription. */
  subscribe(listener: () => void): () => void;
}
