// Objects as JSON Schemas.

/** The schema of an object with these fields; with `isOutput`, a `default` does not make a field optional. */
export function record(fields, isOutput = false) {
  const free = ({ optional, ...rest }) => optional === true || (!isOutput && rest.default !== undefined);
  const names = Object.keys(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, bare(fields[name])])),
    required: names.filter((name) => !free(fields[name])),
    additionalProperties: false,
  };
}

/** A schema without the mark `optional`, which is the SDK's own. */
export function bare(schema) {
  if (typeof schema?.optional !== 'boolean') return schema;
  const { optional: _, ...rest } = schema;
  return rest;
}
