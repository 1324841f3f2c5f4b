import { fromBase64, toBase64 } from '../bytes.js';
import { SynclineError } from '../errors.js';
import type { Identity } from '../identity.js';
import { isBox } from '../seal/box.js';
import { sealOf } from '../seal/seal-of.js';
import type { Ledger } from './ledger.js';
import { bytesOf, isClaimed } from './rows.js';
import type { Meta, Pending } from './rows.js';
import type { Seal, Values } from './values.js';

/**
 * Opens a store after what waits in it was brought into the form that the app has it in from now on. Rejects with
 * `OTHER_ENCRYPTION`, and leaves all as it was, if something may have been sent in another form: its mutation id stands
 * for that content.
 */
export async function reseal(ledger: Ledger, identity: Identity, values: Pick<Values<unknown>, 'isSealed' | 'seal'>, open: () => Promise<Meta>): Promise<Meta> {
  let refused: unknown;
  await turn(ledger, values.isSealed, values.seal ?? sealOf(identity)).catch((cause: unknown) => (refused = cause)); // unless another tab has done so
  return open().catch((error: unknown) => {
    throw refused ?? error;
  });
}

async function turn(ledger: Ledger, isSealed: boolean, seal: Seal): Promise<void> {
  await ledger.write('durable', async (writer) => {
    const added = new Map<number, number>();
    for await (const row of writer.rows()) {
      const writes = row.writes.map((write) => turned(row.id, write, isSealed, seal));
      for (const [i, { seq, data }] of writes.entries()) {
        const before = row.writes[i]!.data;
        if (data === before) continue;
        if (isClaimed(writer.meta, seq)) throw onTheirWay(isSealed);
        added.set(seq, (added.get(seq) ?? 0) + bytesOf(data) - bytesOf(before));
      }
      if (writes.some(({ seq }) => added.has(seq))) writer.putRow({ ...row, writes });
    }
    for await (const unit of writer.units()) if (added.has(unit.seq)) writer.renew(unit, added.get(unit.seq));
    for (const refused of await writer.allRefused()) {
      if (!added.has(refused.seq)) continue;
      writer.removeRefused(refused);
      writer.putRefused({ ...refused, bytes: refused.bytes + added.get(refused.seq)! });
    }
    writer.meta.sealed = isSealed;
  });
}

/** A write in the form that is wanted. It may have that already, as one that a restored server made wait: that is as the server had it. */
function turned(id: string, write: Pending, isSealed: boolean, seal: Seal): Pending {
  if (write.data === null) return write;
  const { schemaVersion } = write;
  const data = fromBase64(write.data);
  if (!isSealed) return isBox(data) ? { ...write, data: toBase64(seal.open(id, schemaVersion, data)) } : write;
  return isBox(data) || opens(id, schemaVersion, data, seal) ? write : { ...write, data: toBase64(seal.seal(id, schemaVersion, data)) };
}

/** Whether a seal of the app's own made it. */
function opens(id: string, schemaVersion: string, data: Uint8Array, seal: Seal): boolean {
  try {
    seal.open(id, schemaVersion, data);
    return true;
  } catch {
    return false;
  }
}

function onTheirWay(isSealed: boolean): SynclineError {
  return new SynclineError('OTHER_ENCRYPTION', `writes are on their way that were made ${isSealed ? 'without' : 'with'} encryption: open the store so until everything is uploaded`);
}
