// Run with `node --test`, in this folder.

import assert from 'node:assert';
import { test } from 'node:test';

import { InvalidArguments, call } from './sdk/tollgate.js';
import './tool.js';

test('converts there and back', () => {
  const text = call('json_to_yaml', { text: '{"a":[1,"x"]}' });
  assert.equal(text, 'a:\n  - 1\n  - x\n');
  assert.deepEqual(JSON.parse(call('yaml_to_json', { text })), { a: [1, 'x'] });
  assert.throws(() => call('json_to_yaml', { text: '{' }), InvalidArguments);
});

test('HTML comes from Markdown alone', () => {
  const html = call('markdown_to_html', { text: '# A\n\n<script>x</script>\n\n[b](javascript:c) [d](https://e.f)' });
  assert.match(html, /<h1>A<\/h1>/);
  assert.doesNotMatch(html, /<script|href="javascript:/);
  assert.match(html, /https:\/\/e\.f/);
});
