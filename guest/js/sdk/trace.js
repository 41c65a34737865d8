// Stack traces by the author's own lines: the build leaves the source map of the bundle behind.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const MAX_FRAMES = 12;

/** An error's type, message and stack, with what caused it. */
export function stack(error, depth = 0) {
  const frames = String(error.stack ?? '').trim().split('\n').map(frame).filter((line) => line !== undefined);
  const cause = error.cause instanceof Error && depth < 3 ? [`caused by ${stack(error.cause, depth + 1)}`] : [];
  return [`${error.name}: ${error.message}`, ...frames.slice(0, MAX_FRAMES), ...cause].join('\n');
}

// The engine writes `function@file:line:column`. Frames of the SDK and of its bindings say nothing to an author.
function frame(line) {
  const found = /^(.*)@(.*):(\d+):(\d+)$/.exec(line.trim());
  if (!found) return line.trim() ? `  at ${line.trim()}` : undefined;
  const [, name, file, row, column] = found;
  if (file.endsWith('initializer.js')) return undefined;
  const place = origin(Number(row), Number(column)) ?? { source: file, row, column };
  if (place.source.startsWith('sdk/')) return undefined;
  return `  at ${name || 'top level'} (${place.source}:${place.row}:${place.column})`;
}

/** Where a place of the bundle comes from; lines and columns begin at 1. */
function origin(row, column) {
  const map = globalThis[Symbol.for('tollgate.sources')];
  const line = map?.mappings.split(';', row);
  if (!line || line.length < row) return undefined;
  let [source, sourceRow, sourceColumn] = [0, 0, 0];
  let best;
  for (const [i, segments] of line.entries()) {
    let at = 0;
    for (const segment of segments.split(',')) {
      const [step, ...steps] = numbers(segment);
      if (step === undefined) continue;
      at += step;
      if (steps.length < 3) continue;
      source += steps[0];
      sourceRow += steps[1];
      sourceColumn += steps[2];
      if (i === row - 1 && at <= column - 1) best = [source, sourceRow, sourceColumn];
    }
  }
  if (best === undefined) return undefined;
  return { source: map.sources[best[0]].replace(/^(\.\.\/)+/, ''), row: best[1] + 1, column: best[2] + 1 };
}

// Base 64, five bits a digit, the lowest first; the lowest bit of a number is its sign.
function numbers(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value % 2 ? -Math.floor(value / 2) : value / 2);
    [value, shift] = [0, 0];
  }
  return found;
}
