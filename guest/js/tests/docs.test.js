// The examples of docs/javascript.md: blocks that begin with a file name are written out and tested as they are.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const page = readFileSync(new URL('../../../docs/javascript.md', import.meta.url), 'utf8');
const sdk = fileURLToPath(new URL('../sdk', import.meta.url));

test('the examples of the documentation pass their own tests', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-docs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const blocks = [...page.matchAll(/```js\n\/\/ (\S+\.js)\n([^]*?)```/g)];
  assert.deepEqual(blocks.map(([, name]) => name), ['tool.js', 'issues/tool.js', 'issues/tool.test.js']);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const [, name, code] of blocks) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
  }
  for (const place of ['.', 'issues']) symlinkSync(sdk, join(folder, place, 'sdk'));
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = (...args) => spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' });
  const tested = run('--preserve-symlinks', '--test', 'issues/tool.test.js');
  assert.equal(tested.status, 0, tested.stdout);
  assert.match(tested.stdout, /# pass 3/);
  const first = run('--preserve-symlinks', '--input-type=module', '-e', "await import('./tool.js'); const { call } = await import('./sdk/tollgate.js'); console.log(call('repeat', { word: 'la' }).line)");
  assert.equal(first.stdout, 'la la la\n', first.stderr);
});
