/**
 * `journal ls` predicts a recovery exactly: on every disk that a crash may leave, and on damaged ones, inspection decides what the
 * recovery of production code decides, or refuses with its code (DESIGN section 6).
 */
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import type { RingReport } from '../../src/inspection/ring/ring-report.ts';
import { ringText } from '../../src/inspection/ring/ring-text.ts';
import { verify } from '../../src/inspection/ring/verify.ts';
import { RECORD_HEADER_BYTES } from '../../src/record/record.ts';
import { previewRecovery } from '../../src/secondary/recover.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { readHostState } from '../../src/state/host-state.ts';
import {
  initialiseSecondary,
  JOURNALS_DIRECTORY,
  SecondaryHost,
  smallGeometry,
  STATE_DIRECTORY,
  STREAM,
  VOLUMES,
  Witness,
} from '../support/secondary-host.ts';
import { ModelPrimary } from '../support/secondary-host-primary.ts';
import { TestDisk } from '../support/test-disk.ts';

const SLOTS = 3;
const located = { kind: 'ring', directory: JOURNALS_DIRECTORY, stateDirectory: STATE_DIRECTORY } as const;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const remains = new Map<string, TestDisk>();

/** What a secondary under load leaves that dies after some turns: a disk of one's own. */
async function crashed(seed: number, kept: Kept): Promise<TestDisk> {
  const key = `${seed} ${kept}`;
  const disk = remains.get(key) ?? (await die(seed, kept));
  remains.set(key, disk);
  return disk.crash('page cache');
}

async function die(seed: number, kept: Kept): Promise<TestDisk> {
  const disk = new TestDisk({ seed, reorders: seed % 2 === 0 });
  await initialiseSecondary(disk, SLOTS);
  const random = new Random(seed);
  const model = new ModelPrimary({ random, stream: STREAM, volumes: VOLUMES, capacityBytes: smallGeometry(SLOTS).capacityBytes });
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  for (let turns = 20 + model.int(150); turns > 0; turns -= 1) {
    const { windowHigh } = host.replica.machine;
    model.writeThrough(windowHigh + 1);
    const records = model.take(1 + model.int(8), windowHigh);
    if (records.length > 0) host.receive(1, records);
    if (model.chance(0.5)) await turn();
  }
  return disk.crash(kept);
}

/** What the recovery of production code decides on a disk, or the code of its refusal. */
async function decided(disk: TestDisk): Promise<unknown> {
  try {
    const state = readHostState(disk, STATE_DIRECTORY);
    const { plan } = await previewRecovery({ disk, directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS), state, mode: 'start' });
    return plan === null ? null : { journals: plan.journals, through: plan.through, line: plan.lines.at(-1) };
  } catch (error) {
    if (error instanceof FarshoreError) return { refused: error.code, why: error.message };
    throw error;
  }
}

function predicted(report: RingReport): unknown {
  if (report.refusal !== null) return { refused: report.refusal.code, why: report.refusal.message };
  return { journals: report.slots.map(({ decision }) => decision), through: report.through, line: report.plan?.lines.at(-1) };
}

async function compare(disk: TestDisk, what: string): Promise<RingReport> {
  const report = await inspectRing({ disk, located });
  assert.equal(predicted(report), await decided(disk), what);
  for (const line of ringText(report, { all: true })) assert.ok(line.length <= 80 || !line.trim().includes(' '), `80 columns: ${line}`);
  return report;
}

test('on whatever a crash leaves, inspection decides what recovery decides', async () => {
  const labels = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    for (const kept of ['page cache', 'what is durable'] as const) {
      const report = await compare(await crashed(seed, kept), `seed ${seed}, ${kept}`);
      for (const { decision } of report.slots) labels.add(decision?.label ?? '-');
    }
  }
  for (const label of ['replay', 'flag and replay', 'keep partial', 'complete behind a gap', 'at or below the watermark'])
    assert.ok(labels.has(label), `${label} was met: ${[...labels].join(', ')}`);
});

test('on damaged disks too, and damage is never called clean', async () => {
  const random = new Random(7);
  const codes = new Map<string, number>();
  let damaged = 0;
  for (let seed = 1; seed <= 240; seed += 1) {
    const disk = await crashed(1 + (seed % 12), 'page cache');
    const path = random.int(8) === 0 ? watermarkPath(JOURNALS_DIRECTORY) : journalPath(JOURNALS_DIRECTORY, random.int(SLOTS));
    const bytes = disk.readFile(path) as Uint8Array;
    const used = path.endsWith('watermark') ? bytes.length : endOfRecords(await inspectRing({ disk, located }), path);
    // The last 80 bytes are the header of zeroes that ends the records.
    const offset = random.int(Math.min(bytes.length, used + 80));
    const flipped = Uint8Array.of((bytes[offset] ?? 0) ^ (1 << random.int(8)));
    const file = disk.open(path, {});
    file.writeSync(flipped, offset);
    file.closeSync();
    const report = await compare(disk, `seed ${seed}: bit flipped at byte ${offset} of ${path}`);
    const finding = report.findings.find((candidate) => candidate.path === path);
    assert.ok(finding !== undefined, `seed ${seed}: bit flipped at byte ${offset} of ${path} was found`);
    assert.ok(finding.offset !== null && finding.offset <= offset, `${finding.offset} is not behind byte ${offset}`);
    assert.ok(finding.expected !== '' && finding.found !== '' && finding.meaning !== '' && finding.advice !== '');
    assert.not((await verify({ disk, path: JOURNALS_DIRECTORY, stateDirectory: STATE_DIRECTORY })).clean);
    // What recovery refuses because of a journal's bytes matters, and what it recovers in spite of them is not called damage of consequence.
    if (report.refusal !== null) assert.ok(finding.matters, `seed ${seed}: ${report.refusal.code} matters`);
    else if (report.plan?.journals.some(({ path: of, action }) => of === path && action === 'done already') === true)
      assert.not(finding.matters, `seed ${seed}: a retired journal does not matter`);
    codes.set(report.refusal?.code ?? '-', (codes.get(report.refusal?.code ?? '-') ?? 0) + 1);
    damaged += 1;
  }
  assert.is(damaged, 240);
  for (const code of ['-', 'ERR_RECOVERY_FLAGGED_DAMAGED', 'ERR_RECOVERY_JOURNAL_UNREADABLE'])
    assert.ok(codes.has(code), `${code} was met: ${[...codes.keys()].join(', ')}`);
});

test('records of another history, all of whose checksums are right, are seen by the chain from one data set to the next', async () => {
  let forged = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const disk = await crashed(seed, 'page cache');
    const before = await inspectRing({ disk, located });
    // Not the first one above the watermark: its chain begins at another journal's.
    const replayed = before.slots.filter(({ decision }) => decision?.action === 'replay').map(({ decision }) => decision?.dataSet ?? 0);
    const slot = before.slots.find(({ decision }) => decision?.dataSet === Math.max(...replayed));
    if (replayed.length < 2 || slot === undefined) continue;
    if (!forge(disk, slot.path)) continue;
    const report = await compare(disk, `seed ${seed}: another payload under right checksums in ${slot.path}`);
    assert.is(report.refusal?.code, 'ERR_RECOVERY_CONTRADICTION');
    assert.match(report.findings.find(({ path }) => path === slot.path)?.found ?? '', /its chain is/);
    forged += 1;
  }
  assert.ok(forged >= 5, `${forged} journals were forged`);
});

/** Change the payload of a journal's first write, and make both of its checksums right again; false: it has none. */
function forge(disk: TestDisk, path: string): boolean {
  const image = (disk.readFile(path) as Uint8Array).slice();
  let forged: Uint8Array | null = null;
  let at = 0;
  for (const record of scanJournal(image, { slot: 0, path }).records) {
    if (record.type !== 'write' || forged !== null) continue;
    at = record.offset;
    forged = image.subarray(at, at + record.encodedBytes);
    forged[RECORD_HEADER_BYTES] = (forged[RECORD_HEADER_BYTES] ?? 0) ^ 1;
    const view = new DataView(forged.buffer, forged.byteOffset, forged.length);
    view.setUint32(72, crc32(forged.subarray(RECORD_HEADER_BYTES)), true);
    view.setUint32(76, crc32(forged.subarray(0, 76)), true);
  }
  if (forged === null) return false;
  const file = disk.open(path, {});
  file.writeSync(forged, at);
  file.closeSync();
  return true;
}

function endOfRecords({ slots }: RingReport, path: string): number {
  return slots.find((slot) => slot.path === path)?.contents?.scan.tail.offset ?? 0;
}

test('missing, short and swapped files, and a state of another host, refuse as a start refuses', async () => {
  const changes: Readonly<Record<string, (disk: TestDisk) => void>> = {
    ERR_JOURNAL_MISSING: (disk) => disk.unlink(journalPath(JOURNALS_DIRECTORY, 1)),
    ERR_WATERMARK_MISSING: (disk) => disk.unlink(watermarkPath(JOURNALS_DIRECTORY)),
    ERR_JOURNAL_GEOMETRY: (disk) => disk.rename(journalPath(JOURNALS_DIRECTORY, 0), journalPath(JOURNALS_DIRECTORY, 1)),
    ERR_JOURNAL_SIZE: (disk) => {
      const path = journalPath(JOURNALS_DIRECTORY, 2);
      const half = (disk.readFile(path) as Uint8Array).slice(0, 32_768);
      disk.unlink(path);
      const file = disk.open(path, { create: true });
      file.writeSync(half, 0);
      file.closeSync();
    },
  };
  for (const [code, change] of Object.entries(changes)) {
    const disk = await crashed(3, 'page cache');
    change(disk);
    const report = await inspectRing({ disk, located });
    const real = (await decided(disk)) as { refused: string };
    // A swap leaves one slot without a file, and the other with a foreign one: whichever comes first.
    assert.is(report.refusal?.code, real.refused, `${code}: ${report.refusal?.message}`);
    assert.ok(
      report.findings.some(({ matters }) => matters),
      code,
    );
  }
});

test.run();
