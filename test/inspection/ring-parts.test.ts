/** Parts of a ring that are whole and do not belong together: a start and an inspection look at the same files, and none of it is called clean. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, decodeHeader, decodeWatermark, encodeHeader, encodeWatermark, RECORDS_OFFSET } from '../../journals/format.ts';
import { decideRecovery } from '../../src/crash-replay/replay/decide-recovery.ts';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { predictedOtherwise } from '../../src/crash-replay/replay/replay-prediction.ts';
import type { DiskFile, OpenOptions } from '../../src/disk/disk.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { locateRing } from '../../src/inspection/ring/locate-ring.ts';
import { verify, type Verification } from '../../src/inspection/ring/verify.ts';
import { withFolder } from '../support/scratch.ts';

const disk = new NodeDisk();

interface Judged {
  /** What a start refuses with, as recovery decides and as `ls` predicts. */
  readonly refusal: string | null;
  readonly verified: Verification;
  readonly notes: readonly string[];
  readonly slots: number;
}

/** Change the journals of a host that was killed in mid-load, and ask recovery, `ls` and `verify`. */
function judged(change: (host: { journals: string; state: string }) => void): Promise<Judged> {
  return withFolder(async (folder) => {
    const host = await unpackCrash(join(LIBRARY, 'killed-in-mid-load'), folder);
    const { directory } = host.journals;
    change({ journals: directory, state: host.stateDirectory });
    const question = { disk, host, recover: 'start' } as const;
    const found = await decideRecovery(question);
    assert.equal(await predictedOtherwise({ ...question, found }), []);
    const path = { disk, path: directory, stateDirectory: host.stateDirectory };
    const report = await inspectRing({ disk, located: locateRing(path) });
    const { notes, slots } = report;
    return { refusal: found.error?.code ?? null, verified: await verify(path), notes, slots: slots.length };
  });
}

const slotPath = (journals: string, number: number): string => join(journals, `slot-${String(number).padStart(4, '0')}.journal`);

function rewriteHeader(path: string, change: { slots?: number; slotBytes?: number }): void {
  const bytes = readFileSync(path);
  const header = decodeHeader(bytes.subarray(0, BLOCK_BYTES));
  assert.ok(header.verdict === 'readable');
  encodeHeader(bytes.subarray(0, BLOCK_BYTES), { ...header, ...change });
  writeFileSync(path, bytes);
}

test('a file behind the last slot is not of the ring: neither a start nor an inspection takes it for a journal', async () => {
  const plain = await judged(() => {});
  for (const name of [plain.slots, 9998]) {
    const found = await judged(({ journals }) => copyFileSync(slotPath(journals, 0), slotPath(journals, name)));
    assert.is(found.refusal, plain.refusal);
    assert.is(found.slots, plain.slots);
    assert.equal(
      found.verified.findings.map(({ what }) => what),
      plain.verified.findings.map(({ what }) => what),
    );
    assert.ok(
      found.notes.some((note) => note.includes(`slot-${String(name).padStart(4, '0')}.journal is not of this ring`)),
      found.notes.join('\n'),
    );
  }
});

test('a header that names another ring is refused, whatever its data set is', async () => {
  const { slots } = await judged(() => {});
  for (let slot = 0; slot < slots; slot += 1) {
    for (const [change, offset] of [
      [{ slots: slots + 1 }, 20],
      [{ slotBytes: 1 << 20 }, 24],
    ] as const) {
      const { refusal, verified } = await judged(({ journals }) => rewriteHeader(slotPath(journals, slot), change));
      assert.is(refusal, 'ERR_JOURNAL_GEOMETRY');
      assert.ok(verified.findings.some((finding) => finding.slot === slot && finding.offset === offset && finding.matters));
      assert.not(verified.clean);
    }
  }
});

test('a whole watermark of another group, generation or stream than the state is a finding with its byte', async () => {
  for (const change of [{ groupId: 'a'.repeat(32) }, { generation: 77 }, { stream: 'b'.repeat(16) }]) {
    const { refusal, verified } = await judged(({ journals }) => {
      const path = join(journals, 'watermark');
      const bytes = readFileSync(path);
      for (const block of [bytes.subarray(0, BLOCK_BYTES), bytes.subarray(BLOCK_BYTES)]) {
        const read = decodeWatermark(block);
        if (read.verdict === 'readable') encodeWatermark(block, { ...read.content, ...change });
      }
      writeFileSync(path, bytes);
    });
    assert.is(refusal, 'ERR_WATERMARK_FOREIGN');
    const finding = verified.findings.find(({ path }) => path.endsWith('watermark'));
    assert.ok(finding?.matters === true && finding.offset !== null && finding.meaning.includes('ERR_WATERMARK_FOREIGN'));
    assert.not(verified.clean);
  }
});

test('a journal that goes away while the ring is read is a finding, and the others are told', async () => {
  await withFolder(async (folder) => {
    const host = await unpackCrash(join(LIBRARY, 'killed-in-mid-load'), folder);
    const gone = slotPath(host.journals.directory, 1);
    class Vanishing extends NodeDisk {
      #opened = 0;
      override open(path: string, options: OpenOptions): DiskFile {
        if (path === gone && (this.#opened += 1) === 2) rmSync(gone);
        return super.open(path, options);
      }
    }
    const { findings, refusal, slots } = await inspectRing({
      disk: new Vanishing(),
      located: locateRing({ disk, path: host.stateDirectory }),
    });
    assert.ok(findings.some((finding) => finding.path === gone && finding.matters && finding.found.startsWith('ENOENT')));
    assert.is(refusal?.code, 'ERR_JOURNAL_READ');
    assert.ok(slots.every(({ slot, contents }) => (contents === null) === (slot === 1)));
  });
});

test('zeroes over the records of a flagged data set that is done are told, and do not matter', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory, journals } = await unpackCrash(join(LIBRARY, 'crash-between-volume-flush-and-watermark'), folder);
    const plain = await inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
    const done = plain.slots.filter(
      ({ decision, contents }) => decision?.action === 'done already' && contents?.scan.completeMark.verdict === 'set',
    );
    assert.ok(done.length > 0 && done.every(({ findings }) => findings.length === 0));
    for (const { path, slot } of done) {
      const bytes = readFileSync(path);
      writeFileSync(path, Buffer.from(bytes).fill(0, RECORDS_OFFSET, RECORDS_OFFSET + 80));
      const { findings, clean } = await verify({ disk, path: journals.directory, stateDirectory });
      assert.not(clean);
      assert.equal(
        findings.map((finding) => [finding.slot, finding.offset, finding.verdict, finding.matters]),
        [[slot, RECORDS_OFFSET, 'unreadable', false]],
      );
      writeFileSync(path, bytes);
    }
  });
});

test('a state that cannot be read does not keep the journals from being inspected', async () => {
  await withFolder(async (folder) => {
    const host = await unpackCrash(join(LIBRARY, 'killed-in-mid-load'), folder);
    const state = join(host.stateDirectory, 'host-state.json');
    rmSync(state);
    mkdirSync(state);
    chmodSync(state, 0o700);
    const path = { disk, path: host.journals.directory, stateDirectory: host.stateDirectory };
    const { slots, refusal, notes } = await inspectRing({ disk, located: locateRing(path) });
    assert.ok(slots.some(({ contents }) => (contents?.numbers ?? 0) > 0));
    assert.is(refusal?.code, 'ERR_SYSTEM_CALL');
    assert.ok(notes.some((note) => note.includes('EISDIR')));
    // It was found: nobody shall look for another one.
    assert.not(notes.some((note) => note.includes('no state was found')));
    assert.not((await verify(path)).clean);
  });
});

test.run();
