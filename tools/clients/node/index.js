export { Client } from './lib/client.js';
export { List } from './lib/list.js';
export { Mirror } from './lib/mirror.js';
export { Sync } from './lib/sync.js';
export { ResyncError, RosterError } from './lib/error.js';
