/**
 * What the recorder wrote, in the order in which it wrote it, one request after the other: so the n-th write has the n-th number that is
 * no sync command's, and the volumes at the end of any data set follow from this history alone.
 *
 * What a write puts into its blocks is text that names it, so that a dump of a fixture can be read, and packs into little.
 */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, type VolumeEntry } from '../../model/ids.ts';

const LINE_BYTES = 64;

export interface RecordedWrite {
  readonly kind: 'write' | 'zero' | 'trim';
  readonly vlun: number;
  readonly lba: number;
  readonly blocks: number;
}

export class RecordedHistory {
  readonly seed: number;
  readonly volumes: readonly VolumeEntry[];
  readonly writes: RecordedWrite[] = [];
  flushes = 0;

  constructor(seed: number, volumes: readonly VolumeEntry[]) {
    this.seed = seed;
    this.volumes = volumes;
  }

  /** Bytes that write `index` puts into its blocks. */
  payloadOf(index: number): Buffer {
    const { kind, vlun, lba, blocks } = this.writes[index] as RecordedWrite;
    const bytes = Buffer.alloc(blocks * BLOCK_BYTES);
    if (kind !== 'write') return bytes;
    const name = this.volumes.find((volume) => volume.vlun === vlun)?.name ?? '?';
    for (let block = 0; block < blocks; block += 1) {
      const line = `seed ${this.seed} write ${index} ${name} block ${lba + block}`.padEnd(LINE_BYTES - 1, '.').slice(0, LINE_BYTES - 1);
      bytes.fill(`${line}\n`, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    }
    return bytes;
  }

  /** CRC-32 of a write's payload; null for a zero or trim, which has none. */
  checksumOf(index: number): number | null {
    return this.writes[index]?.kind === 'write' ? crc32(this.payloadOf(index)) : null;
  }

  /** Every volume, by VLUN, after the first `count` writes. */
  imagesAfter(count: number): Map<number, Buffer> {
    const images = new Map(this.volumes.map(({ vlun, sizeBytes }) => [vlun, Buffer.alloc(sizeBytes)]));
    for (let index = 0; index < count; index += 1) {
      const { vlun, lba } = this.writes[index] as RecordedWrite;
      images.get(vlun)?.set(this.payloadOf(index), lba * BLOCK_BYTES);
    }
    return images;
  }
}
