import test from 'ava';
import { AnswerMemory } from '../../../controller/adapters/kubernetes/answer-memory.ts';
import type { Clock } from '../../../controller/ports.ts';

function memoryOf(most: number) {
  const time = { ms: 0 };
  const clock: Clock = { now: () => time.ms, sleep: () => Promise.resolve() };
  const asked: string[] = [];
  const memory = new AnswerMemory<string>({ clock, holdsMs: (answer) => (answer === 'no' ? 10 : 100), most });
  const get = (key: string, answer = 'yes') =>
    memory.get(key, () => {
      asked.push(key);
      return Promise.resolve(answer);
    });
  const fail = (key: string) => memory.get(key, () => Promise.reject(new Error('nobody answers')));
  return { time, asked, get, fail };
}

test('a question is asked once while it is asked, and again when its answer has had its time', async (t) => {
  const { time, asked, get } = memoryOf(10);
  t.deepEqual(await Promise.all([get('a'), get('a'), get('b', 'no')]), ['yes', 'yes', 'no']);
  time.ms = 50;
  t.deepEqual(await Promise.all([get('a'), get('b')]), ['yes', 'yes']);
  t.deepEqual(asked, ['a', 'b', 'b']);
});

test('of too many answers the oldest is forgotten, and what nobody answers takes the place of none', async (t) => {
  const { asked, get, fail } = memoryOf(2);
  await get('a');
  await get('b');
  await Promise.all(Array.from({ length: 20 }, (_, i) => t.throwsAsync(fail(`unknown ${i}`))));
  await get('a');
  t.deepEqual(asked, ['a', 'b'], 'both are known');
  await get('c');
  await get('b');
  await get('a');
  t.deepEqual(asked, ['a', 'b', 'c', 'a']);
  await t.throwsAsync(fail('d'));
  await get('d');
  t.is(asked.at(-1), 'd', 'what failed is asked again');
});
