// What is wrong with a JSON Schema, and with a value by it. The gate checks both as well; this says so earlier, in
// the build and in tests. Keywords that are not known here are left to the gate.

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'];
const COUNTS = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
const NUMBERS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const SCHEMAS = ['items', 'additionalProperties', 'not', 'propertyNames', 'contains'];
const LISTS = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const MAPS = ['properties', '$defs', 'patternProperties'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const step = (at, name) => `${at}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
const inner = (schema, keyword) => (isObject(schema[keyword]) ? Object.entries(schema[keyword]) : []);
const shown = (value) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

/** What is wrong with a schema: `{ at, text }` with a JSON pointer into it; undefined if nothing. */
export function mistake(schema, at = '', root = schema) {
  if (schema === true || schema === false) return undefined;
  if (!isObject(schema)) return { at, text: `a schema is an object, such as { type: 'string' }, and not ${shown(schema)}` };
  return ofKeywords(schema, at, root) ?? ofParts(schema, at, root) ?? ofDefault(schema, at, root);
}

function ofKeywords(schema, at, root) {
  const wrong = (keyword, text) => ({ at: step(at, keyword), text });
  const { type, required, pattern } = schema;
  for (const name of type === undefined ? [] : [type].flat()) {
    if (!TYPES.includes(name)) return wrong('type', `${shown(name)} is not a type; there are ${TYPES.join(', ')}`);
  }
  if (schema.enum !== undefined && !(Array.isArray(schema.enum) && schema.enum.length)) {
    return wrong('enum', 'it should list the values');
  }
  if (required !== undefined) {
    if (!Array.isArray(required)) return wrong('required', 'it should list names; or mark a field `optional: true`');
    const isClosed = schema.additionalProperties === false && isObject(schema.properties);
    const missing = isClosed ? required.find((name) => !Object.hasOwn(schema.properties, name)) : undefined;
    if (missing !== undefined) return wrong('required', `there is no property ${shown(missing)}`);
  }
  if (pattern !== undefined && !isPattern(pattern)) return wrong('pattern', `${shown(pattern)} is not a regular expression`);
  const count = COUNTS.find((key) => schema[key] !== undefined && !(Number.isInteger(schema[key]) && schema[key] >= 0));
  if (count) return wrong(count, `${shown(schema[count])} is not a count`);
  const number = NUMBERS.find((key) => schema[key] !== undefined && !Number.isFinite(schema[key]));
  if (number) return wrong(number, `${shown(schema[number])} is not a number`);
  if (schema.$ref !== undefined && lookup(schema.$ref, root) === undefined) {
    return wrong('$ref', `${shown(schema.$ref)} is not in this schema`);
  }
  return undefined;
}

function ofParts(schema, at, root) {
  for (const keyword of MAPS) {
    if (schema[keyword] !== undefined && !isObject(schema[keyword])) {
      return { at: step(at, keyword), text: 'it should be an object of schemas' };
    }
    for (const [name, part] of inner(schema, keyword)) {
      const found = mistake(part, step(step(at, keyword), name), root);
      if (found) return found;
    }
  }
  for (const keyword of LISTS) {
    if (schema[keyword] === undefined) continue;
    if (!Array.isArray(schema[keyword]) || !schema[keyword].length) {
      return { at: step(at, keyword), text: 'it should be a list of schemas' };
    }
    for (const [i, part] of schema[keyword].entries()) {
      const found = mistake(part, step(step(at, keyword), i), root);
      if (found) return found;
    }
  }
  for (const keyword of SCHEMAS) {
    const found = schema[keyword] === undefined ? undefined : mistake(schema[keyword], step(at, keyword), root);
    if (found) return found;
  }
  return undefined;
}

function ofDefault(schema, at, root) {
  if (schema.default === undefined) return undefined;
  const found = fault(schema, schema.default, '', root);
  return found && { at: step(at, 'default'), text: `it does not match its own schema: ${found.text}` };
}

const isPattern = (pattern) => typeof pattern === 'string' && expression(pattern) !== undefined;

/** A pattern as a regular expression; undefined if it is none, true if this engine cannot tell. */
function expression(pattern) {
  // The engine of components has no tables for these; the gate has.
  if (/\\p\{/i.test(pattern)) return true;
  for (const flags of ['u', '']) {
    try {
      return new RegExp(pattern, flags);
    } catch {
      // It may be one without the flag.
    }
  }
  return undefined;
}

function lookup(ref, root) {
  if (ref === '#') return root;
  if (typeof ref !== 'string' || !ref.startsWith('#/')) return undefined;
  const names = ref.slice(2).split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce((found, name) => found?.[name], root);
}

/** How a value breaks a schema: `{ at, text }` with a JSON pointer into the value; undefined if it does not. */
export function fault(schema, value, at = '', root = schema) {
  if (schema === true || !isObject(schema)) return schema === false ? { at, text: 'nothing is expected here' } : undefined;
  const wrong = (text) => ({ at, text: `${text}, and is ${shown(value)}` });
  if (schema.$ref !== undefined) {
    const found = fault(lookup(schema.$ref, root) ?? true, value, at, root);
    if (found) return found;
  }
  const types = [schema.type ?? []].flat();
  if (types.length && !types.some((type) => isOf(type, value))) return wrong(`should be ${types.map(named).join(' or ')}`);
  if (schema.enum && !schema.enum.some((one) => same(one, value))) {
    return wrong(`should be one of ${schema.enum.map(shown).join(', ')}`);
  }
  if ('const' in schema && !same(schema.const, value)) return wrong(`should be ${shown(schema.const)}`);
  const limit = beyond(schema, value);
  if (limit) return wrong(limit);
  return ofChoices(schema, value, at, root) ?? ofItems(schema, value, at, root) ?? ofMembers(schema, value, at, root);
}

const named = (type) => ({ null: 'null', boolean: 'true or false' })[type] ?? `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`;

function isOf(type, value) {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function same(a, b) {
  if (a === b || typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const names = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]))
  );
}

function beyond(schema, value) {
  if (typeof value === 'number') {
    if (value < schema.minimum) return `should be at least ${schema.minimum}`;
    if (value > schema.maximum) return `should be at most ${schema.maximum}`;
    if (value <= schema.exclusiveMinimum) return `should be more than ${schema.exclusiveMinimum}`;
    if (value >= schema.exclusiveMaximum) return `should be less than ${schema.exclusiveMaximum}`;
  }
  const kinds = { string: ['Length', 'characters'], array: ['Items', 'items'] };
  const [suffix, unit] = kinds[Array.isArray(value) ? 'array' : typeof value] ?? [];
  if (suffix) {
    const length = [...value].length;
    if (length < schema[`min${suffix}`]) return `should have at least ${schema[`min${suffix}`]} ${unit}`;
    if (length > schema[`max${suffix}`]) return `should have at most ${schema[`max${suffix}`]} ${unit}`;
  }
  if (typeof value === 'string' && schema.pattern !== undefined) {
    const found = expression(schema.pattern);
    if (found instanceof RegExp && !found.test(value)) return `should match ${schema.pattern}`;
  }
  return undefined;
}

function ofChoices(schema, value, at, root) {
  for (const part of schema.allOf ?? []) {
    const found = fault(part, value, at, root);
    if (found) return found;
  }
  for (const keyword of ['anyOf', 'oneOf']) {
    const parts = schema[keyword];
    if (!parts) continue;
    const faults = parts.map((part) => fault(part, value, at, root));
    const fits = faults.filter((found) => found === undefined).length;
    if (fits === 0) {
      // The fault that lies deepest belongs to the alternative that was most likely meant.
      return faults.reduce((deepest, found) => (found.at.length > deepest.at.length ? found : deepest));
    }
    if (keyword === 'oneOf' && fits > 1) return { at, text: `should match one alternative, and matches ${fits}` };
  }
  return undefined;
}

function ofItems(schema, value, at, root) {
  if (!Array.isArray(value)) return undefined;
  for (const [i, item] of value.entries()) {
    const part = schema.prefixItems?.[i] ?? schema.items;
    const found = part === undefined ? undefined : fault(part, item, step(at, i), root);
    if (found) return found;
  }
  return undefined;
}

function ofMembers(schema, value, at, root) {
  if (!isObject(value)) return undefined;
  const missing = (schema.required ?? []).find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return { at, text: `\`${missing}\` is missing` };
  const properties = schema.properties ?? {};
  for (const [name, member] of Object.entries(value)) {
    const part = Object.hasOwn(properties, name) ? properties[name] : others(schema);
    if (part === false) return { at, text: `there is no \`${name}\`` };
    const found = part === undefined ? undefined : fault(part, member, step(at, name), root);
    if (found) return found;
  }
  return undefined;
}

// Patterns of names are left to the gate.
const others = (schema) => (schema.patternProperties === undefined ? schema.additionalProperties : undefined);

/** The value with each `default` of the schema where a member of an object is missing. */
export function complete(schema, value) {
  if (!isObject(value) || !isObject(schema?.properties)) return value;
  const whole = { ...value };
  for (const [name, part] of Object.entries(schema.properties)) {
    if (whole[name] !== undefined) whole[name] = complete(part, whole[name]);
    else if (part?.default !== undefined) whole[name] = structuredClone(part.default);
  }
  return whole;
}
