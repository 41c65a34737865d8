// Messages for the operator. They never reach the agent.

import * as host from 'tollgate:adapter/log@0.1.0';

/** Log one message; the level is debug, info, warn or error. */
export const log = (message, level = 'info') => host.log(level, message);
