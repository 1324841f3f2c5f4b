import type { Identity } from '../identity.js';
import type { Seal } from '../store/values.js';
import { SealingKey } from './key.js';

/** An identity's own key in the place that an offline store has for one. */
export function sealOf(identity: Identity): Seal {
  const key = SealingKey.of(identity);
  return {
    seal: (id, schemaVersion, data) => key.seal({ id, schemaVersion, data }),
    open: (id, schemaVersion, box) => key.open({ id, schemaVersion, box }).data,
  };
}
