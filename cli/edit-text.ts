import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';

export interface EditedText {
  readonly text: string;
  readonly file: string;
}

/** Lets a person edit a text in a file of their own, which stays until `discard`. Throws InputError when that fails. */
export async function editText(text: string, fileName: string, editor: string): Promise<EditedText> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-edit-'));
  const file = join(directory, fileName);
  await writeFile(file, text, { mode: 0o600 });
  const failure = await runEditor(editor, file);
  if (failure !== undefined) {
    throw new InputError([problem('EditUnusable', `${editor} ${failure}; the text is kept in ${file}`)]);
  }
  return { text: await readFile(file, 'utf8'), file };
}

export async function discard({ file }: EditedText): Promise<void> {
  await rm(dirname(file), { recursive: true });
}

/** Runs the editor, which may have arguments of its own, on the file; answers how it failed. */
function runEditor(editor: string, file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'editor', file], { stdio: 'inherit' });
    child.on('error', (error) => resolve(`could not be run: ${error.message}`));
    child.on('exit', (code, signal) => resolve(code === 0 ? undefined : `ended with ${code ?? signal}`));
  });
}
