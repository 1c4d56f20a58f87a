/** Read every block of both volumes: as an application does, over NBD, or from the files of a host on which nothing moves. */
import { open } from 'node:fs/promises';
import { BLOCK_BYTES } from '../model/ids.ts';
import { NbdClient } from '../nbd/client.ts';
import type { CopyCheck } from './check-copy.ts';
import type { DemoVolume } from './history.ts';
import { within } from './waits.ts';

const PIECE_BYTES = 1024 * 1024;
const PIECES_AT_ONCE = 4;
const PIECE_MS = 60_000;

/** Connect to one volume of a host. */
export function connectVolume(nbdSocket: string, name: string): Promise<NbdClient> {
  return NbdClient.connect({ address: { kind: 'unix', path: nbdSocket }, exportName: name });
}

/** @throws FarshoreError ERR_NBD_REPLY, ERR_NBD_LOST, ERR_NBD_CONNECT, ERR_DEMO_TIMEOUT */
export async function readOverNbd(nbdSocket: string, volumes: readonly DemoVolume[], check: CopyCheck): Promise<void> {
  for (const [volume, { name, blocks }] of volumes.entries()) {
    const client = await connectVolume(nbdSocket, name);
    try {
      await readPieces(blocks * BLOCK_BYTES, async (offset, lengthBytes) => {
        const bytes = await within(client.read(offset, lengthBytes), { what: `a read of volume ${name}`, limitMs: PIECE_MS });
        check.take(volume, offset / BLOCK_BYTES, wordsOf(bytes));
      });
    } finally {
      client.destroy();
    }
  }
}

/** Only right when everything is destaged and nobody writes. */
export async function readFromFiles(paths: readonly string[], volumes: readonly DemoVolume[], check: CopyCheck): Promise<void> {
  for (const [volume, { blocks }] of volumes.entries()) {
    const file = await open(paths[volume] ?? '', 'r');
    try {
      await readPieces(blocks * BLOCK_BYTES, async (offset, lengthBytes) => {
        const bytes = Buffer.alloc(lengthBytes);
        const { bytesRead } = await file.read(bytes, 0, lengthBytes, offset);
        check.take(volume, offset / BLOCK_BYTES, wordsOf(bytes.subarray(0, bytesRead - (bytesRead % BLOCK_BYTES))));
      });
    } finally {
      await file.close();
    }
  }
}

/** Visit all pieces, several at once. */
async function readPieces(totalBytes: number, read: (offset: number, lengthBytes: number) => Promise<void>): Promise<void> {
  let next = 0;
  const reader = async (): Promise<void> => {
    while (next < totalBytes) {
      const offset = next;
      next += PIECE_BYTES;
      await read(offset, Math.min(PIECE_BYTES, totalBytes - offset));
    }
  };
  await Promise.all(Array.from({ length: PIECES_AT_ONCE }, reader));
}

function wordsOf(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
