import { createHash } from 'node:crypto';
import { ClusterError } from '../../model/cluster-error.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import type { Clock, ClusterView } from '../../ports.ts';
import { ApiProblem } from '../http/api/api-problem.ts';
import { type Caller, type Gate, openSight, type Sight } from '../http/api/gate.ts';
import { AnswerMemory } from './answer-memory.ts';
import type { KubeClient } from './kube-client.ts';
import { type AccessAttributes, reviewAccess, reviewToken, type ReviewedUser } from './token-review.ts';

/** Rights that were taken away may be used for so long. */
const holdsMs = 60_000;
/** Somebody may just be giving the rights. */
const refusalHoldsMs = 3_000;
/** Questions to the API server that wait at once; tokens that nobody knows must not keep it from its work. */
const mostAsked = 512;
const atOnce = 16;

const [group = ''] = resourceApiVersion.split('/');

/**
 * Who asks, by a bearer token: the API server says whose it is (TokenReview) and what that user may (SubjectAccessReview). Who
 * may list the proposals of a namespace sees it; who may create approvals there decides. Answers are remembered by a hash of
 * the token; the token itself is kept and logged nowhere.
 */
export class TokenGate implements Gate {
  readonly access = 'token';
  readonly #client: KubeClient;
  readonly #view: Pick<ClusterView, 'cluster'>;
  readonly #users: AnswerMemory<ReviewedUser | { readonly refused: string }>;
  readonly #rights: AnswerMemory<boolean>;
  readonly #sights: AnswerMemory<Sight>;
  #asked = 0;

  constructor(client: KubeClient, view: Pick<ClusterView, 'cluster'>, clock: Clock) {
    this.#client = client;
    this.#view = view;
    const terms = { clock, holdsMs: (fine: boolean) => (fine ? holdsMs : refusalHoldsMs) };
    this.#users = new AnswerMemory({ clock, holdsMs: (user) => terms.holdsMs('username' in user) });
    this.#rights = new AnswerMemory({ ...terms, most: 100_000 });
    this.#sights = new AnswerMemory({ clock, holdsMs: () => refusalHoldsMs });
  }

  async admit(token: string | undefined): Promise<Caller> {
    if (token === undefined) {
      throw new ApiProblem(401, 'NotAuthenticated', 'a token of the cluster is needed: Authorization: Bearer TOKEN');
    }
    const { username } = await this.#userOf(token);
    return { user: username, key: `user ${username}` };
  }

  /** Everything for who may list proposals everywhere; else namespace by namespace. */
  sightOf({ user }: Caller, token: string | undefined): Promise<Sight> {
    return this.#sights.get(keyOf(token), async () => {
      const reviewed = await this.#userOf(token ?? '');
      if (await this.#may(reviewed, token, 'list', 'policyproposals', undefined)) return openSight;
      const names = [...this.#view.cluster().namespaces.keys()].sort();
      const seen = new Set<string>();
      for (let i = 0; i < names.length; i += atOnce) {
        const some = names.slice(i, i + atOnce);
        const answers = await Promise.all(
          some.map((namespace) => this.#may(reviewed, token, 'list', 'policyproposals', namespace)),
        );
        some.forEach((namespace, at) => answers[at] && seen.add(namespace));
      }
      if (seen.size === 0) {
        const message = `${user} may not list policyproposals in any namespace: bind it to ClusterRole nanoseg-viewer`;
        throw new ApiProblem(403, 'NotPermitted', message);
      }
      return { key: [...seen].join(' '), everything: false, maySee: (namespace) => seen.has(namespace) };
    });
  }

  async whyNoDecision({ user }: Caller, token: string | undefined, namespace: string): Promise<string | undefined> {
    const reviewed = await this.#userOf(token ?? '');
    if (await this.#may(reviewed, token, 'create', 'policyapprovals', namespace)) return undefined;
    return `${user} may not create policyapprovals in namespace ${namespace}`;
  }

  async #userOf(token: string): Promise<ReviewedUser> {
    const user = await this.#users.get(keyOf(token), () => this.#ask(() => reviewToken(this.#client, token)));
    if ('refused' in user) throw new ApiProblem(401, 'NotAuthenticated', user.refused);
    return user;
  }

  #may(
    user: ReviewedUser,
    token: string | undefined,
    verb: string,
    resource: string,
    namespace: string | undefined,
  ): Promise<boolean> {
    const attributes: AccessAttributes = {
      resourceAttributes: { verb, group, resource, ...(namespace !== undefined && { namespace }) },
    };
    const key = `${keyOf(token)} ${verb} ${resource} ${namespace ?? ''}`;
    return this.#rights.get(key, () => this.#ask(() => reviewAccess(this.#client, user, attributes)));
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    if (this.#asked >= mostAsked) throw cannotCheck('too many questions wait');
    this.#asked++;
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      throw cannotCheck(error.message);
    } finally {
      this.#asked--;
    }
  }
}

function keyOf(token = ''): string {
  return createHash('sha256').update(token).digest('base64');
}

function cannotCheck(message: string): ApiProblem {
  const headers = { 'Retry-After': '2' };
  return new ApiProblem(503, 'ClusterUnreachable', `the API server cannot say who this is: ${message}`, { headers });
}
