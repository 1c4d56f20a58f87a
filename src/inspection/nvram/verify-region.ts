/** `nvram verify`: every checksum and rule of a region. */
import type { Disk } from '../../disk/disk.ts';
import { formatBytes } from '../../model/units.ts';
import { verifyText } from '../ring/ring-text.ts';
import type { Verification } from '../ring/verify.ts';
import { inspectRegion } from './inspect-region.ts';
import { regionJson } from './region-text.ts';

/** Verify a region. @throws UsageError ERR_NOT_A_REGION; FarshoreError ERR_NVRAM_OPEN */
export async function verifyRegion({ disk, path }: { readonly disk: Disk; readonly path: string }): Promise<Verification> {
  const report = await inspectRegion({ disk, path, journals: null });
  const { findings, clean } = report;
  const { contents } = report.picture;
  const records = contents === null ? 0 : contents.head.ordinal - contents.tail.ordinal;
  const messages = contents?.segments ?? 0;
  const read = `${path} read, ${records} records in ${messages} ${messages === 1 ? 'message' : 'messages'}, ${formatBytes(contents?.heldBytes ?? 0)}`;
  return { findings, clean, text: verifyText({ findings, slots: [], notes: [], read }), json: regionJson(report) };
}
