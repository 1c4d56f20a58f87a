/** Writes that make many small data sets: each is flushed, and every flush may cut. */
import type { NbdClient } from '../../src/nbd/client.ts';
import type { Host } from './host-process.ts';
import { sleep } from './host-process.ts';

const BLOCK_BYTES = 4096;

export interface ShortWrites {
  readonly count: number;
  /** Byte that fills what is written. */
  readonly fill: number;
  /** Blocks of one write. */
  readonly blocks?: number;
  readonly volume?: string;
  /** Pause after each flush, so that the next flush may cut again. */
  readonly pauseMs?: number;
}

/** Write from the volume's beginning on, around at its end. */
export async function writeShort(host: Host, options: ShortWrites): Promise<void> {
  const client = await host.connect(options.volume);
  try {
    await writeWith(client, options);
  } finally {
    await client.close();
  }
}

/** The same with a client that is there already. */
export async function writeWith(client: NbdClient, { count, fill, blocks = 1, pauseMs = 5 }: ShortWrites): Promise<void> {
  const lengthBytes = blocks * BLOCK_BYTES;
  const places = Math.floor(client.sizeBytes / lengthBytes);
  for (let index = 0; index < count; index += 1) {
    await client.write((index % places) * lengthBytes, Buffer.alloc(lengthBytes, fill));
    await client.flush();
    if (pauseMs > 0) await sleep(pauseMs);
  }
}
