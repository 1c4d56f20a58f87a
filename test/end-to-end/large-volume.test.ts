/**
 * Volumes of 6 GiB: offsets beyond 4 GiB stay what they are in NBD requests, records, journals, mappings and stores.
 */
import { open } from 'node:fs/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Host, mustRun } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { needsTools } from '../support/tools.ts';
import { fio, seededBytes } from '../support/workload.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SIZE_BYTES = 6 * GIB;

/** First and last blocks, both sides of 4 GiB, across it, and odd blocks far beyond it. */
const WRITES = [
  { offset: 0, lengthBytes: 4 * KIB },
  { offset: 2 * GIB - 512, lengthBytes: 1024 },
  { offset: 4 * GIB - 512 * KIB, lengthBytes: MIB },
  { offset: 4 * GIB - 512, lengthBytes: 512 },
  { offset: 4 * GIB, lengthBytes: 512 },
  { offset: 4 * GIB + 8 * KIB + 512, lengthBytes: 3 * 512 },
  { offset: 5 * GIB + 7 * 512, lengthBytes: 2 * MIB },
  { offset: SIZE_BYTES - 4 * KIB, lengthBytes: 4 * KIB },
  { offset: SIZE_BYTES - 512, lengthBytes: 512 },
];
/** Inside what was written before: across 4 GiB too. */
const ZEROED = { offset: 4 * GIB - 64 * KIB, lengthBytes: 128 * KIB };
const TRIMMED = { offset: 5 * GIB + MIB, lengthBytes: 512 * KIB };

for (const store of ['pwrite', 'mmap'] as const) {
  needsTools(
    test,
    'fio',
    'xfs_io',
  )(`a 6 GiB volume with store ${store} is written beyond 4 GiB, drained, compared, promoted and read`, async () => {
    await withHosts({ volumes: [{ name: 'large', sizeMiB: SIZE_BYTES / MIB, store }] }, async (hosts) => {
      await hosts.start();
      const near = await hosts.primary.connect();
      for (const [index, { offset, lengthBytes }] of WRITES.entries()) await near.write(offset, seededBytes(index + 1, lengthBytes));
      await near.writeZeroes(ZEROED.offset, ZEROED.lengthBytes);
      await near.trim(TRIMMED.offset, TRIMMED.lengthBytes);
      await near.flush();
      await near.close();
      await fio(hosts.primary, { rw: 'randwrite', blockSize: '16k', depth: 16, size: '1G', offset: '4500M', ioSize: '24M', verify: true });
      const expected = await readAll(hosts.primary);
      assert.ok(
        expected[2]?.subarray(0, 448 * KIB).equals(seededBytes(3, MIB).subarray(0, 448 * KIB)),
        'the primary reads what was written',
      );
      assert.is(
        expected[3]?.findIndex((byte) => byte !== 0),
        -1,
        'the block below 4 GiB was zeroed',
      );
      await hosts.drained();
      await compareSparse(hosts.primary.volumePath(), hosts.secondary.volumePath());
      assert.is(await hosts.primary.stop(), 0);
      await hosts.secondary.commandJson(['promote']);
      const promoted = await readAll(hosts.secondary);
      for (const [index, bytes] of promoted.entries()) {
        assert.ok(
          bytes.equals(expected[index] as Buffer),
          `${WRITES[index]?.lengthBytes} bytes at ${WRITES[index]?.offset} of the promoted host`,
        );
      }
      assert.is(await hosts.secondary.stop(), 0);
    });
  });
}

async function readAll(host: Host): Promise<Buffer[]> {
  const client = await host.connect();
  assert.is(client.sizeBytes, SIZE_BYTES);
  const all = [];
  for (const { offset, lengthBytes } of WRITES) all.push(await client.read(offset, lengthBytes));
  await client.close();
  return all;
}

/** Compare what either file has data in; everywhere else both were never written. */
async function compareSparse(a: string, b: string): Promise<void> {
  let compared = 0;
  const ranges = merged([...(await dataRanges(a)), ...(await dataRanges(b))]);
  const [fileA, fileB] = await Promise.all([open(a), open(b)]);
  try {
    for (const { from, to } of ranges) {
      for (let at = from; at < to; at += MIB) {
        const lengthBytes = Math.min(MIB, to - at);
        const [x, y] = await Promise.all([fileA, fileB].map((file) => file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, at)));
        assert.ok(x?.buffer.equals(y?.buffer ?? Buffer.alloc(0)), `bytes ${at} to ${at + lengthBytes}`);
        compared += lengthBytes;
      }
    }
  } finally {
    await Promise.all([fileA.close(), fileB.close()]);
  }
  assert.ok(compared > 20 * MIB, `data was compared: ${compared} bytes`);
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function merged(ranges: readonly Range[]): Range[] {
  const out: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((x, y) => x.from - y.from)) {
    const last = out.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else out.push({ from, to });
  }
  return out;
}

async function dataRanges(path: string): Promise<Range[]> {
  const { stdout } = await mustRun('xfs_io', ['-r', '-c', 'seek -a -r 0', path]);
  const marks = [...stdout.matchAll(/^(DATA|HOLE)\s+(\d+)$/gm)].map(([, kind, at]) => ({ kind, at: Number(at) }));
  return marks.flatMap((mark, index) => (mark.kind === 'DATA' ? [{ from: mark.at, to: marks[index + 1]?.at ?? SIZE_BYTES }] : []));
}

test.run();
