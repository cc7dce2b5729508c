import test from 'ava';
import { requireRole } from '../../cli/role-options.ts';
import { InputError } from '../../cli/terminal.ts';
import { controllerConfig, type ControllerConfigInput } from '../../controller/config.ts';

const redis = { url: 'redis://kept' };

function refused(config: ControllerConfigInput): readonly string[] {
  try {
    requireRole(config);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.problems.map(({ message }) => message);
  }
}

test('one process does everything where nothing else is said', (t) => {
  t.is(controllerConfig({}).role, 'all');
  t.deepEqual(refused({ flows: ['flows'], once: true, http: { port: 0 }, push: { port: 0 } }), []);
});

test('who shares flows needs a server to share them on', (t) => {
  t.regex(refused({ role: 'ingest' }).join(), /--role ingest .* --redis URL/);
  t.regex(refused({ role: 'decide' }).join(), /--role decide .* --redis URL/);
  t.throws(() => controllerConfig({ role: 'decide' }), { message: /over Redis/ });
});

test('a role refuses what is the work of another, all of it at once', (t) => {
  const flows = { push: { port: 0 } };
  t.deepEqual(refused({ role: 'ingest', redis, ...flows }), []);
  t.deepEqual(refused({ role: 'decide', redis, http: { port: 0 }, webhook: { port: 0 } }), []);
  t.is(refused({ role: 'decide', redis, ...flows, flows: ['a'], once: true, dataDirectory: 'd' }).length, 4);
  t.regex(refused({ role: 'decide', redis, sources: [{ kind: 'hubble', address: 'relay:80' }] }).join(), /--hubble/);
  t.regex(refused({ role: 'ingest', redis, http: { port: 0 } }).join(), /--http-port/);
  t.regex(refused({ role: 'ingest', redis, notifyOutput: true }).join(), /--notify-output/);
});

test('what is said of shared flows is refused where none are shared', (t) => {
  t.regex(refused({ redis: { ...redis, shards: 4 } }).join(), /--redis-shards/);
  t.deepEqual(refused({ role: 'ingest', redis: { ...redis, shards: 4, waiting: 10 } }), []);
});
