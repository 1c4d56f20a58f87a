/**
 * What an inspection says of the bytes of every fixture (DESIGN section 6): a clean end, unreadable from a byte on, or damaged. Each offset
 * follows from what the fixture's README says was done to it. Damage is never called clean, and a mere crash is never called damage.
 */
import { basename } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readManifest } from '../../src/crash-replay/fixture-files.ts';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { findFixtures } from '../../src/crash-replay/fixture-library.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { RULES } from '../../src/inspection/ring/findings.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { locateRing } from '../../src/inspection/ring/locate-ring.ts';
import { withFolder } from '../support/scratch.ts';

/** `slot@byte verdict`, for what is in the bytes themselves; `watermark` is no slot. Fixtures that are not named have none. */
const IN_THE_BYTES: Readonly<Record<string, readonly string[]>> = {
  'bit-flip-in-header': ['3@8 damaged'],
  'bit-flip-in-partial-set': ['0@9296 unreadable'],
  'bit-flip-in-payload': ['3@8784 damaged'],
  'bit-flip-in-record-header': ['3@8784 damaged'],
  'both-watermark-sectors-bad': ['watermark@0 damaged', 'watermark@4104 damaged'],
  'complete-flag-with-unreadable-record': ['3@10640 damaged'],
  'crash-after-replay-watermark-torn': ['watermark@8 damaged'],
  'flag-unreadable': ['0@4104 damaged'],
  'flag-unreadable-over-damaged-records': ['3@4104 damaged', '3@8784 unreadable'],
  'header-unreadable-in-retired-journal': ['1@8 damaged'],
  'journal-copied-over-another': ['2@16 damaged'],
  'journal-missing': ['3@null damaged'],
  'journal-overwritten-with-zeroes': ['3@0 damaged'],
  'later-format-version': ['3@4 unreadable'],
  'later-watermark-version': ['watermark@4100 unreadable'],
  'older-stream-flag-unreadable': ['0@4096 damaged'],
  'one-watermark-sector-bad': ['watermark@8 damaged'],
  'promotion-with-bit-flip-in-partial-set': ['0@9296 unreadable'],
  'torn-first-commit': ['0@8192 unreadable'],
  'torn-last-record': ['0@10640 unreadable'],
  'truncated-file': ['3@8784 damaged'],
  'watermark-older-than-journals': ['watermark@4096 damaged'],
  'zero-tail-after-valid-header': ['0@9296 unreadable'],
};

/** A journal whose records break a rule is told at the first of them, and parts that do not belong together of the whole ring: the bytes of each are whole. */
for (const directory of findFixtures(null)) {
  const name = basename(directory);
  test(`${name}: ${IN_THE_BYTES[name]?.join(', ') ?? 'clean ends'}`, () =>
    withFolder(async (folder) => {
      const disk = new NodeDisk();
      const { stateDirectory } = await unpackCrash(directory, folder);
      const { findings, refusal, slots } = await inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
      const found = findings
        .filter(({ expected }) => expected !== RULES.journal && expected !== RULES.parts)
        .map(({ slot, offset, verdict }) => `${slot ?? 'watermark'}@${offset} ${verdict}`);
      assert.equal(found, IN_THE_BYTES[name] ?? []);
      if (found.length === 0 && refusal === null) assert.ok(slots.every(({ verdict }) => verdict === 'clean end'));
      // A process that was killed leaves torn commits at most: what a disk tears within a sector, it says so.
      const { damage } = readManifest(directory).madeBy;
      const isTornSector = name.includes('watermark') || name === 'flag-unreadable';
      if (damage.length === 0 && !isTornSector) assert.ok(findings.every(({ verdict }) => verdict === 'unreadable'));
      for (const { path, expected: wanted, found: seen } of findings) assert.ok(path !== '' && wanted !== '' && seen !== '', name);
    }));
}

test.run();
