import type { Problem } from '../controller/model/problem.ts';
import { problemCodes } from '../controller/model/problem-codes.ts';
import { printable } from './render/printable.ts';
import type { Terminal } from './terminal.ts';

/** All problems, and below them what to do about each kind of them. */
export function reportProblems(problems: readonly Problem[], { err }: Pick<Terminal, 'err'>): void {
  for (const { code, message, where } of problems) {
    err(printable(`error: ${where === '' ? '' : `${where}: `}${message} (${code})\n`, true));
  }
  for (const code of new Set(problems.map((each) => each.code))) err(`  ${problemCodes[code].fix}\n`);
}
