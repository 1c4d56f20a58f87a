/** What looks wrong beside a running host is told only if a second picture shows it too; a stopped host's findings always are. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { RULES } from '../../src/inspection/ring/findings.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { locateRing } from '../../src/inspection/ring/locate-ring.ts';
import { confirmed, needsAnother } from '../../src/inspection/ring/moving-ring.ts';
import { holdsLock } from '../../src/inspection/ring/running.ts';
import type { RingReport } from '../../src/inspection/ring/ring-report.ts';
import { withFolder } from '../support/scratch.ts';

const disk = new NodeDisk();

/** Inspect a fixture's host, as if it were running. */
function running(fixture: string, change: (journals: string) => void = () => {}): Promise<RingReport> {
  return withFolder(async (folder) => {
    const { stateDirectory, journals } = await unpackCrash(join(LIBRARY, fixture), folder);
    change(journals.directory);
    const report = await inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
    return { ...report, running: true };
  });
}

const expectedOf = ({ findings }: RingReport): string[] => findings.map(({ expected }) => expected);

test('what two pictures show in which nothing moved is told, and refuses', async () => {
  const report = await running('flagged-behind-a-gap');
  assert.ok(expectedOf(report).includes(RULES.journal) && report.refusal !== null && needsAnother(report));
  assert.is(confirmed(report, report), report);
});

test('a rule that only seems broken because journals moved is left out, and nothing is predicted', async () => {
  const report = await running('flagged-behind-a-gap');
  const counted = { ...report.watermark, newest: report.watermark.newest && { ...report.watermark.newest, counter: 1e6 } };
  for (const [now, before] of [
    [{ ...report, moving: true }, report],
    [report, { ...report, moving: true }],
    [report, { ...report, watermark: counted }],
    [report, { ...report, findings: [] }],
  ] as const) {
    const told = confirmed(now, before);
    assert.equal(told.findings, []);
    assert.ok(told.slots.every(({ findings, verdict }) => findings.length === 0 && verdict === 'clean end'));
    assert.ok(told.moving && told.refusal === null && told.through === null);
  }
});

test('damaged bytes that stay are told, whatever moves beside them', async () => {
  const report = await running('bit-flip-in-header');
  const moving = { ...report, moving: true };
  assert.equal(
    confirmed(moving, moving).findings.map(({ slot, offset }) => `${slot}@${offset}`),
    ['3@8'],
  );
  // Another checksum is found there now: the first picture was taken in the middle of a write.
  const before = { ...report, findings: report.findings.map((finding) => ({ ...finding, found: 'other bytes' })) };
  assert.equal(confirmed(moving, before).findings, []);
});

test('a lock is found by device and inode; on btrfs, where stat names a device of the subvolume, by inode', () => {
  const locks = '1: FLOCK  ADVISORY  WRITE 812 00:2a:257 0 EOF\n2: POSIX  ADVISORY  WRITE 9 00:2b:258 0 EOF\n';
  assert.ok(holdsLock(locks, { device: 0x2an, inode: 257n }));
  assert.not(holdsLock(locks, { device: 0x2bn, inode: 257n }));
  assert.ok(holdsLock(locks, { device: 0x2bn, inode: 257n, subvolumes: true }));
  assert.not(holdsLock(locks, { device: 0x2bn, inode: 57n, subvolumes: true }));
  assert.not(holdsLock(locks, { device: 0x2bn, inode: 258n, subvolumes: true }));
});

test('a stopped host is judged by one picture', async () => {
  const report = { ...(await running('flagged-behind-a-gap')), running: false };
  assert.not(needsAnother(report));
  assert.is(confirmed(report, { ...report, findings: [], moving: true }), report);
});

test('a ring that is locked, and stays as it is, keeps its verdict', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory, journals } = await unpackCrash(join(LIBRARY, 'killed-in-mid-load'), folder);
    const path = join(journals.directory, 'watermark');
    copyFileSync(join(journals.directory, 'slot-0000.journal'), join(journals.directory, 'slot-0001.journal'));
    const lock = disk.lock(path);
    try {
      const report = await inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
      if (report.running !== true) return;
      assert.is(report.refusal?.code, 'ERR_JOURNAL_GEOMETRY');
      assert.ok(report.findings.some(({ slot, matters }) => slot === 1 && matters));
    } finally {
      lock?.release();
    }
  });
});

test.run();
