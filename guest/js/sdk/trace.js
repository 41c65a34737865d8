// Stack traces by the author's own lines: the build leaves behind where each line of the bundle comes from.

const MAX_FRAMES = 12;

/** An error's type, message and stack, with what caused it. */
export function stack(error, depth = 0) {
  const frames = String(error.stack ?? '').trim().split('\n', MAX_FRAMES * 2).map(frame).filter((line) => line !== undefined);
  const cause = error.cause instanceof Error && depth < 3 ? [`caused by ${stack(error.cause, depth + 1)}`] : [];
  return [`${error.name}: ${error.message}`, ...frames.slice(0, MAX_FRAMES), ...cause].join('\n');
}

// The engine writes `function@file:line:column`. Frames of the SDK and of its bindings say nothing to an author.
function frame(line) {
  const found = /^(.*)@(.*):(\d+):(\d+)$/.exec(line.trim());
  if (!found) return line.trim() ? `  at ${line.trim()}` : undefined;
  const [, name, file, row, column] = found;
  if (file.endsWith('initializer.js')) return undefined;
  const place = origin(Number(row)) ?? `${file}:${row}:${column}`;
  if (place.startsWith('sdk/')) return undefined;
  return `  at ${name || 'top level'} (${place})`;
}

/** The source and the line of a line of the bundle; both count from 1. */
function origin(row) {
  const map = globalThis[Symbol.for('tollgate.sources')];
  const [source, line] = map?.lines[row - 1] ?? [];
  const path = map?.sources[source];
  return path && `${path.replace(/^(\.\.\/)+/, '')}:${line + 1}`;
}
