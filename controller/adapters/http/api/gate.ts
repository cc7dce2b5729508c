/** Who asks. */
export interface Caller {
  /** As whoever vouches for it calls it. */
  readonly user: string;
  /** What limits are counted by. */
  readonly key: string;
}

/** What a caller may see. */
export interface Sight {
  /** The same text for those who may see the same. */
  readonly key: string;
  /** Also what will come. */
  readonly everything: boolean;
  readonly maySee: (namespace: string) => boolean;
}

/** Who may ask what. All methods reject with ApiProblem. */
export interface Gate {
  readonly access: 'open' | 'token';
  /** `address`: of the other end of the connection. */
  admit(token: string | undefined, address: string): Promise<Caller>;
  sightOf(caller: Caller, token: string | undefined): Promise<Sight>;
  /** Undefined: it may; else why not. */
  whyNoDecision(caller: Caller, token: string | undefined, namespace: string): Promise<string | undefined>;
}

/** Everything, for everybody who reaches the address. */
export const openSight: Sight = { key: '*', everything: true, maySee: () => true };

/** For a workspace on an address that only users of the machine can reach. */
export function openGate(user: string): Gate {
  return {
    access: 'open',
    admit: async (_, address) => ({ user, key: address }),
    sightOf: async () => openSight,
    whyNoDecision: async () => undefined,
  };
}
