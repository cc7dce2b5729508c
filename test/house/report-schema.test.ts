import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { z } from 'zod';
import { reportSchema } from '../../cli/render/analysis-report.ts';

const file = new URL('../../docs/report.schema.json', import.meta.url);

test('docs/report.schema.json is the schema of the report that analyze writes', async (t) => {
  const expected = `${JSON.stringify(z.toJSONSchema(reportSchema), undefined, 2)}\n`;
  if (process.env['NANOSEG_UPDATE_GOLDENS'] === '1') await writeFile(file, expected);
  t.is(await readFile(file, 'utf8'), expected);
});
