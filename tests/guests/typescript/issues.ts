// An API as many are: pages, a key in a header, errors with a body.

import * as config from './sdk/config.js';
import { HttpError, fetch } from './sdk/http.js';
import { array, choice, integer, object, string } from './sdk/schema.js';
import * as secrets from './sdk/secrets.js';
import { Failed, tool } from './sdk/tollgate.js';

const issue = object({ id: integer(), title: string() });

async function page(project: string, state: string, number: number) {
  const url = new URL(`${config.text('api', 'https://issues.example')}/projects/${encodeURIComponent(project)}/issues`);
  url.search = String(new URLSearchParams({ state, page: String(number) }));
  try {
    const response = await fetch(url, { secrets: [secrets.header('tracker', 'x-api-key')], timeout: 10_000 });
    return await response.check().json();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const { message = 'no reason given' } = await error.response.json().catch(() => ({}));
    throw new Failed(`the tracker refused it (${error.status}): ${message}`);
  }
}

export const list = tool({
  name: 'issues',
  description: "Lists a project's issues.",
  input: {
    project: string({ minLength: 1, description: "The project's key, for example `web`." }),
    state: choice(['open', 'closed'], { default: 'open' }),
    limit: integer({ minimum: 1, maximum: 100, default: 20 }),
  },
  output: { issues: array(issue) },
  hints: { readOnly: true, openWorld: true },
  async run({ project, state, limit }) {
    const issues: { id: number; title: string }[] = [];
    for (let next: number | null = 1; next !== null && issues.length < limit; ) {
      const found: { issues: { id: number; title: string }[]; next: number | null } = await page(project, state, next);
      issues.push(...found.issues);
      next = found.next;
    }
    return { issues: issues.slice(0, limit).map(({ id, title }) => ({ id, title })) };
  },
});
