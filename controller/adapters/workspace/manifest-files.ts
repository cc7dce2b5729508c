import { open, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Problem, problem } from '../../model/problem.ts';
import { manifestLimits } from './limits.ts';

const extensions = new Set(['.yaml', '.yml', '.json']);

interface FileList {
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

/**
 * Every manifest file under these paths, in a fixed order: a file that is named is taken as it is, in a directory those
 * that end in .yaml, .yml or .json, with sub-directories, without hidden ones.
 */
export async function findManifestFiles(paths: readonly string[]): Promise<FileList> {
  const files = new Set<string>();
  const problems: Problem[] = [];
  const visited = new Set<string>();
  const visit = async (path: string, named: boolean): Promise<void> => {
    try {
      const status = await stat(path);
      if (!status.isDirectory()) {
        if (named || extensions.has(extname(path))) files.add(path);
        return;
      }
      const real = await realpath(path);
      if (visited.has(real)) return;
      visited.add(real);
      for (const name of (await readdir(path)).sort()) if (!name.startsWith('.')) await visit(join(path, name), false);
    } catch (error) {
      problems.push(problem('InputNotFound', `cannot read: ${reasonOf(error)}`, path));
    }
  };
  for (const path of paths) await visit(path, true);
  return { files: [...files], problems };
}

/** The text of one file, or the problem that it cannot be read or is too large. */
export async function readManifestFile(path: string): Promise<string | Problem> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > manifestLimits.fileBytes) {
      const message = `${size} bytes, more than ${manifestLimits.fileBytes} (limit: file size)`;
      return problem('LimitExceeded', message, path);
    }
    return await file.readFile('utf8');
  } catch (error) {
    return problem('InputNotFound', `cannot read: ${reasonOf(error)}`, path);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) throw error;
  return error.message;
}
