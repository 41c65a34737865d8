// Messages for the operator. They become events of the run and never reach the agent. In a component, `console`
// writes here as well.

import { host } from './host.js';

export const log = (message, level = 'info') => host('log').log(level, String(message).toWellFormed());

export const debug = (message) => log(message, 'debug');
export const info = (message) => log(message, 'info');
export const warn = (message) => log(message, 'warn');
export const error = (message) => log(message, 'error');
