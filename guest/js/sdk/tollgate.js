// Tools for AI agents behind a Tollgate.
//
// `tool({ name, description, input, output, run })` makes a tool. `input` and `output` have a JSON Schema for each
// name, as `schema.js` makes them or written out; they become what the gate checks and what policies are typed by.
// What a tool wants of the world it asks for (`files.js`, `http.js`, `state.js` and the others), and each thing it
// asks for is decided.

export { Content, image, resource, structured, text } from './content.js';
export { Denied, Failed, InvalidArguments, TollgateError } from './errors.js';
export { call, tool } from './registry.js';
