import type { Clock } from '../../ports.ts';

interface Remembered<Answer> {
  readonly answer: Promise<Answer>;
  untilMs: number;
}

export interface MemoryTerms<Answer> {
  readonly clock: Clock;
  /** How long an answer holds, in ms. */
  readonly holdsMs: (answer: Answer) => number;
  /** @default 10000 */
  readonly most?: number;
}

/**
 * Answers that are asked for again and again; a question that is being asked is asked once. What failed is not remembered, and
 * takes the place of no answer.
 */
export class AnswerMemory<Answer> {
  readonly #terms: MemoryTerms<Answer>;
  /** In the order in which they were asked. */
  readonly #answers = new Map<string, Remembered<Answer>>();

  constructor(terms: MemoryTerms<Answer>) {
    this.#terms = terms;
  }

  get(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const { clock } = this.#terms;
    const known = this.#answers.get(key);
    if (known !== undefined && known.untilMs > clock.now()) return known.answer;
    const asked: Remembered<Answer> = { answer: ask(), untilMs: Number.POSITIVE_INFINITY };
    this.#answers.delete(key);
    this.#answers.set(key, asked);
    asked.answer.then(
      (answer) => this.#remember(asked, answer),
      () => this.#answers.delete(key),
    );
    return asked.answer;
  }

  #remember(asked: Remembered<Answer>, answer: Answer): void {
    const { clock, holdsMs, most = 10_000 } = this.#terms;
    asked.untilMs = clock.now() + holdsMs(answer);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= most) break;
      this.#answers.delete(oldest);
    }
  }
}
