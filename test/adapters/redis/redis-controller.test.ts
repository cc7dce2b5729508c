import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RedisServer } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

redisTest(
  'a controller goes on with the evidence that an earlier one kept in Redis, and its password is nowhere',
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-redis-shop-'));
    const server = await RedisServer.start({ settings: ['requirepass topsecret'], access: { password: 'topsecret' } });
    t.teardown(async () => {
      await server.stop();
      await rm(directory, { recursive: true });
    });
    const workspace = join(directory, 'shop');
    const password = join(directory, 'password');
    await cp(join(root, 'examples/shop'), workspace, { recursive: true });
    await writeFile(password, 'topsecret\n');
    const controller = async (...more: string[]) => {
      const redis = ['--redis', server.url, '--redis-password-file', password];
      const args = ['controller', '--workspace', workspace, '--once', '--log-level', 'debug', ...redis, ...more];
      return run(process.execPath, [join(root, 'cli/main.ts'), ...args]);
    };
    const first = await controller('--flows', join(workspace, 'flows'));
    const connections = / (\d+ connections)\n/.exec(first.stdout)?.[1];
    t.not(connections, undefined, first.stdout);
    const second = await controller();
    t.true(second.stdout.includes(` ${connections}\n`), second.stdout);
    t.regex(second.stderr, /"saves":[1-9]/);
    for (const text of [first, second].flatMap(({ stdout, stderr }) => [stdout, stderr])) t.notRegex(text, /topsecret/);

    await writeFile(password, 'another\n');
    const error = (await t.throwsAsync(controller())) as Error & { code: number; stderr: string };
    t.is(error.code, 2);
    t.regex(error.stderr, /EvidenceNotPermitted/);
  },
);
