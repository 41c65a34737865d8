// Calls of other components' tools, by the names that agents see. Each passes through the whole gate.

import { Failed, failure } from './errors.js';
import { ask } from './host.js';

function part({ tag, val }) {
  switch (tag) {
    case 'text':
      return { type: 'text', text: val };
    case 'structured':
      return { type: 'structured', value: JSON.parse(val) };
    case 'image':
      return { type: 'image', mediaType: val.mediaType, data: val.data };
    default: {
      const body = val.body.tag === 'text' ? { text: val.body.val } : { data: val.body.val };
      return { type: 'resource', uri: val.uri, mediaType: val.mediaType, ...body };
    }
  }
}

export const call = (tool, args = {}) =>
  ask('calls', 'call', [tool, JSON.stringify(args)], (thrown) => failure(thrown, `cannot call \`${tool}\``)).map(part);

export const callForText = (tool, args) =>
  call(tool, args)
    .filter(({ type }) => type === 'text')
    .map(({ text }) => text)
    .join('\n');

export function callForJson(tool, args) {
  const found = call(tool, args).find(({ type }) => type === 'structured');
  if (found === undefined) throw new Failed(`\`${tool}\` gave no structured content`, { code: 'malformed' });
  return found.value;
}
