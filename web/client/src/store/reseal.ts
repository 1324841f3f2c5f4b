import { fromBase64, toBase64 } from '../bytes.js';
import { SynclineError } from '../errors.js';
import type { Identity } from '../identity.js';
import { sealOf } from '../seal/seal-of.js';
import type { Ledger } from './ledger.js';
import { bytesOf } from './rows.js';
import type { Values } from './values.js';

/**
 * Seals what waits in a store that had no encryption, or opens what a store with encryption sealed, so that the server
 * gets it as the app has it from now on. Rejects with `OTHER_ENCRYPTION`, and leaves all as it was, if something may have been
 * sent as it is: its mutation id stands for that content.
 */
export async function reseal(ledger: Ledger, identity: Identity, values: Pick<Values<unknown>, 'isSealed' | 'seal'>): Promise<void> {
  const { isSealed, seal = sealOf(identity) } = values;
  const turn = isSealed ? seal.seal : seal.open;
  await ledger.write('durable', async (writer) => {
    if (writer.meta.claims.length > 0) {
      throw new SynclineError('OTHER_ENCRYPTION', `writes are on their way that were made ${isSealed ? 'without' : 'with'} encryption: open the store so until everything is uploaded`);
    }
    const sizes = new Map<number, number>();
    for await (const row of writer.rows()) {
      if (row.writes.length === 0) continue;
      const writes = row.writes.map((write) => {
        const { seq, data, schemaVersion } = write;
        const turned = data === null ? null : toBase64(turn(row.id, schemaVersion, fromBase64(data)));
        sizes.set(seq, (sizes.get(seq) ?? 0) + bytesOf(turned));
        return { ...write, data: turned };
      });
      writer.putRow({ ...row, writes });
    }
    for await (const unit of writer.units()) writer.renew(unit, sizes.get(unit.seq)! - unit.bytes);
    for (const refused of await writer.allRefused()) {
      writer.removeRefused(refused);
      writer.putRefused({ ...refused, bytes: sizes.get(refused.seq)! });
    }
    writer.meta.sealed = isSealed;
  });
}
