import { createHash } from 'node:crypto';
import { ClusterError } from '../../model/cluster-error.ts';
import type { Clock, ClusterView } from '../../ports.ts';
import type { Credentials, ProducerCheck, Pusher } from '../flow-push/producer-check.ts';
import { PushRefusal } from '../flow-push/push-refusal.ts';
import { AnswerMemory } from './answer-memory.ts';
import type { KubeClient } from './kube-client.ts';
import { reviewAccess, reviewToken, type ReviewedUser } from './token-review.ts';

/** Rights that were taken away may be used for so long. */
const rememberedMs = 60_000;
/** Somebody may just be giving the rights. */
const refusalRememberedMs = 3_000;
/** Tokens that nobody knows must not keep the API server from its work. */
const mostAsked = 32;

const podNameKey = 'authentication.kubernetes.io/pod-name';
/** The API server signs it into tokens from 1.30 on. */
const nodeNameKey = 'authentication.kubernetes.io/node-name';

/**
 * Who pushes, by the bearer token of a service account: the API server says whose token it is (TokenReview) and whether
 * that user may post there (SubjectAccessReview). A token that was made for a pod speaks for the pod's node alone. Answers
 * are remembered by a hash of the token for up to a minute; the token itself is kept and logged nowhere.
 */
export class TokenProducers implements ProducerCheck {
  readonly #client: KubeClient;
  readonly #view: Pick<ClusterView, 'cluster'>;
  readonly #answers: AnswerMemory<Pusher | PushRefusal>;
  #asked = 0;

  constructor(client: KubeClient, view: Pick<ClusterView, 'cluster'>, clock: Clock) {
    this.#client = client;
    this.#view = view;
    const holdsMs = (answer: Pusher | PushRefusal) =>
      answer instanceof PushRefusal ? refusalRememberedMs : rememberedMs;
    this.#answers = new AnswerMemory({ clock, holdsMs });
  }

  async check({ token }: Credentials, path: string): Promise<Pusher> {
    if (token === undefined || token === '') {
      const message = 'a service account token is needed: Authorization: Bearer TOKEN';
      throw new PushRefusal('Unauthenticated', message);
    }
    const key = createHash('sha256').update(`${path} ${token}`).digest('base64');
    const answer = await this.#answers.get(key, () => this.#ask(token, path));
    if (answer instanceof PushRefusal) throw answer;
    return answer;
  }

  /** What the API server says; rejects with PushRefusal `CannotCheck` where it says nothing. */
  async #ask(token: string, path: string): Promise<Pusher | PushRefusal> {
    if (this.#asked >= mostAsked) {
      throw new PushRefusal('CannotCheck', 'too many tokens wait to be checked', { retryAfterS: 1 });
    }
    this.#asked++;
    try {
      const user = await this.#userOf(token);
      await this.#requireRight(user, path);
      return { name: user.username, node: this.#nodeOf(user) };
    } catch (error) {
      if (error instanceof PushRefusal && error.code !== 'CannotCheck') return error;
      if (!(error instanceof ClusterError)) throw error;
      const message = `the API server cannot say who this is: ${error.message}`;
      throw new PushRefusal('CannotCheck', message, { retryAfterS: 5 });
    } finally {
      this.#asked--;
    }
  }

  async #userOf(token: string): Promise<ReviewedUser> {
    const user = await reviewToken(this.#client, token);
    if ('refused' in user) throw new PushRefusal('Unauthenticated', user.refused);
    return user;
  }

  async #requireRight(user: ReviewedUser, path: string): Promise<void> {
    if (await reviewAccess(this.#client, user, { nonResourceAttributes: { path, verb: 'post' } })) return;
    throw new PushRefusal(
      'NotPermitted',
      `${user.username} may not post to ${path}: bind it to ClusterRole nanoseg-flow-writer`,
    );
  }

  /** Undefined for a token that was made for no pod. */
  #nodeOf({ username, extra }: ReviewedUser): string | undefined {
    const [pod] = extra?.[podNameKey] ?? [];
    if (pod === undefined) return undefined;
    const [signed] = extra?.[nodeNameKey] ?? [];
    if (signed !== undefined) return signed;
    const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username) ?? [];
    const named = this.#view
      .cluster()
      .pods.filter((one) => one.name === pod && one.namespace === namespace && !one.virtual);
    const node = (named.find(({ endMs }) => endMs === undefined) ?? named.at(-1))?.node;
    if (node !== undefined) return node;
    const message = `the token is of pod ${namespace}/${pod}, of which is not known yet on which node it runs`;
    throw new PushRefusal('CannotCheck', message, { retryAfterS: 2 });
  }
}
