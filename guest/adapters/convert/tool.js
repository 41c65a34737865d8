// Conversions between formats: Markdown to HTML, JSON to YAML and back.

import markdownit from 'markdown-it';
import * as yaml from 'yaml';
import { InvalidArguments, call, tool } from './sdk/tollgate.js';

function parsed(what, parse) {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArguments(`\`text\` is not ${what}: ${error.message}`);
  }
}

function conversion(name, description, run) {
  const input = { text: { type: 'string', description: 'What to convert.' } };
  tool({ name, description, input, hints: { readOnly: true, idempotent: true }, run: ({ text }) => run(text) });
}

// The Markdown is not trusted: HTML in it is shown as text, and links cannot start a script.
const markdown = markdownit({ html: false, linkify: false });

conversion('markdown_to_html', 'Converts Markdown (CommonMark, with tables) to HTML. HTML in it is shown as text.', (text) =>
  markdown.render(text),
);
conversion('json_to_yaml', 'Converts a JSON document to YAML 1.2.', (text) =>
  yaml.stringify(parsed('JSON', () => JSON.parse(text))),
);
conversion('yaml_to_json', 'Converts a YAML 1.2 document to JSON.', (text) =>
  JSON.stringify(parsed('YAML', () => yaml.parse(text, { maxAliasCount: 100 })), null, 2),
);

// The component is a snapshot of what is here at its end: what ran once need not be compiled in a call.
const page = '# A *b* **c** `d`\n\n1. e\n   - f\n\n> [g](https://h.i) ![j](k) <https://l.m>\n\n```\nn\n```\n\n|o|\n|-|\n|p|\n\n---\n';
call('markdown_to_html', { text: page });
call('json_to_yaml', { text: call('yaml_to_json', { text: 'a: [1, -2.5, "b", null]\nc:\n  - d: &e true\n  - *e\n' }) });
