/** Thrown inside of this folder for a record that cannot be used; its message is the reason that people read. */
export class UnusableRecord extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'UnusableRecord';
  }
}

/** A value out of a file as it may stand in a message: JSON, short, without control characters. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return short.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}
