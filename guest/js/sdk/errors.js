// Why something was not done. The messages are for the agent.

/**
 * Why a tool, or something that it asked of its host, did not succeed. `code` says which case it is: the name of
 * the case in `wit/`, such as `not-found`, `timeout` or `denied`. Thrown out of a tool, its message reaches the
 * agent.
 */
export class TollgateError extends Error {
  tag = 'failed';

  constructor(message, { code = 'failed', cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get name() {
    return this.constructor.name;
  }
}

/** The tool could not do its work; say why, and what to do instead. */
export class Failed extends TollgateError {}

/** The arguments match the schema but make no sense; say which and why. */
export class InvalidArguments extends Failed {
  tag = 'invalid-arguments';

  constructor(message, { code = 'invalid-arguments', cause } = {}) {
    super(message, { code, cause });
  }
}

/** Policy refused something that the tool needed. Let it pass: the agent reads the policy's own reason. */
export class Denied extends Failed {
  tag = 'denied';

  constructor(message, { code = 'denied', reason = message, decision, approval, cause } = {}) {
    super(message, { code, cause });
    this.reason = reason;
    this.decision = decision;
    this.approval = approval;
  }
}

/** A result that cannot be returned. It is a mistake of the tool that has no line of its own. */
export class ResultError extends TypeError {
  name = 'ResultError';
}

/** What the host threw, as an error of the SDK. `words` has the texts of cases that carry none. */
export function failure(thrown, what, words = {}) {
  const given = thrown?.payload ?? thrown;
  const code = typeof given === 'string' ? given : given?.tag;
  if (typeof code !== 'string') return thrown;
  const { val } = Object(given);
  if (code === 'denied') return new Denied(`${what}: ${val.reason} (decision ${val.decision})`, val);
  const word = words[code];
  const text = typeof word === 'function' ? word(val) : (word ?? val ?? code);
  return code === 'no-such-secret' ? new Denied(`${what}: ${text}`, { code }) : new Failed(`${what}: ${text}`, { code });
}
