import { type ConnectionState, connectionStates } from '../../../../view/graph-shape.ts';

/** How a state is told apart: by colour, by the style of the line and by a symbol, so that each of them alone suffices. */
export interface StateLook {
  /** For people, short. */
  readonly label: string;
  readonly meaning: string;
  /** Custom property of the style sheet. */
  readonly color: string;
  /** 0 solid, 1 dashed, 2 dotted, 3 dash and dot, 4 double; of the edge program. */
  readonly pattern: number;
  /** 0 none, 1 dot, 2 exclamation mark, 3 cross, 4 bars, 5 plus; of the edge program. */
  readonly symbol: number;
  /** The same symbol in text. */
  readonly glyph: string;
  /** Pixels. */
  readonly width: number;
}

export const stateLooks: Readonly<Record<ConnectionState, StateLook>> = {
  seen: {
    label: 'Seen',
    meaning: 'seen, and no policy is asked',
    color: '--state-seen',
    pattern: 0,
    symbol: 0,
    glyph: '→',
    width: 1.1,
  },
  enforced: {
    label: 'Enforced',
    meaning: 'seen, and allowed by the policies in force',
    color: '--state-enforced',
    pattern: 0,
    symbol: 1,
    glyph: '●',
    width: 2.6,
  },
  'over-grant': {
    label: 'Over-grant',
    meaning: 'allowed, and never seen',
    color: '--state-over-grant',
    pattern: 4,
    symbol: 5,
    glyph: '+',
    width: 3,
  },
  denied: {
    label: 'Denied attempt',
    meaning: 'tried, and never passed',
    color: '--state-denied',
    pattern: 2,
    symbol: 3,
    glyph: '×',
    width: 2,
  },
  'held-back': {
    label: 'Held back',
    meaning: 'suspicious: seen, and in no proposal until a person accepts it',
    color: '--state-held-back',
    pattern: 3,
    symbol: 4,
    glyph: '‖',
    width: 2,
  },
  'would-be-denied': {
    label: 'Would be denied',
    meaning: 'passes now, and a waiting proposal would deny it',
    color: '--state-would-be-denied',
    pattern: 1,
    symbol: 2,
    glyph: '!',
    width: 2.4,
  },
};

/** What needs a person's eyes first comes first. */
export const statesByUrgency: readonly ConnectionState[] = [...connectionStates].reverse();
