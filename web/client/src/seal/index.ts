export { MAX_DATA } from './box.js';
export type { OpenedRecord, RecordToSeal, StoredRecord } from './box.js';
export { SealingKey } from './key.js';
export { openKey, shareKey } from './share.js';
export { sealOf } from './seal-of.js';
