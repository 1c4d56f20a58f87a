/** Export and import on a real file system: direct writes, real locks, real renames. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { compare } from '../../src/inspection/diff/diff.ts';
import { importJournals } from '../../src/inspection/portable/import-journals.ts';
import { codeOf } from '../support/scratch.ts';
import { exportTo, oddJournals, only, writeRing } from './portable-ring.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-import-'));
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const disk = new NodeDisk();
const into = (directory: string, path = at('all.fsx')) => importJournals({ disk, path, directory, dryRun: false });

test.before(async () => {
  await writeRing(disk, at('ring'), { journals: oddJournals() });
  await exportTo(disk, at('ring'), at('all.fsx'));
  await exportTo(disk, at('ring'), at('some.fsx'), only(42, 43));
});

test('a new ring below folders that are not there yet, and its export again', async () => {
  const report = await into(at('deep/down/new'));
  assert.is(report.kind, 'new ring');
  assert.equal(readdirSync(at('deep/down/new')).sort(), readdirSync(at('ring')).sort());
  await exportTo(disk, at('deep/down/new'), at('again.fsx'));
  assert.ok(readFileSync(at('again.fsx')).equals(readFileSync(at('all.fsx'))));
  const options = { disk, a: at('ring'), b: at('deep/down/new'), stateDirectory: undefined, limit: 3, exact: false, lines: null };
  const same = await compare(options);
  assert.ok(same.equal);
  assert.equal(same.json['running'], { a: false, b: false });
});

test('a ring: refused as long as a host holds it, then taken, then there already', async () => {
  await writeRing(disk, at('old'), { journals: new Map() });
  const lock = disk.lock(watermarkPath(at('old')));
  assert.is(await codeOf(() => into(at('old'), at('some.fsx'))), 'ERR_JOURNALS_LOCKED');
  const options = { disk, a: at('old'), b: at('ring'), stateDirectory: undefined, limit: 3, exact: false, lines: null };
  assert.match((await compare(options)).text.join('\n'), 'note: a host uses ring A');
  lock?.release();
  const watermark = readFileSync(watermarkPath(at('old')));
  assert.equal(
    (await into(at('old'), at('some.fsx'))).journals.map(({ outcome }) => outcome),
    ['imported', 'imported'],
  );
  assert.equal(readdirSync(at('old')).sort(), readdirSync(at('ring')).sort(), 'no spare is left');
  assert.ok(readFileSync(watermarkPath(at('old'))).equals(watermark));
  assert.equal(
    (await into(at('old'), at('some.fsx'))).journals.map(({ outcome }) => outcome),
    ['there already', 'there already'],
  );
  assert.is(await codeOf(() => into(at('old'))), 'none', 'data sets 40 and 41 are covered by the watermark: free slots take them');
  assert.ok(
    readFileSync(journalPath(at('old'), 3))
      .subarray(0, 8192)
      .equals(readFileSync(journalPath(at('ring'), 3)).subarray(0, 8192)),
  );
});

test('an import takes the lock for its whole time', async () => {
  await writeRing(disk, at('watched'), { journals: new Map() });
  const seen: boolean[] = [];
  const watching = new Proxy(disk, {
    get: (target, name) => {
      if (name === 'rename' || name === 'open' || name === 'syncDirectory') {
        const lock = target.lock(watermarkPath(at('watched')));
        seen.push(lock === null);
        lock?.release();
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  // The export is opened before the ring is looked at.
  await importJournals({ disk: watching, path: at('some.fsx'), directory: at('watched'), dryRun: false });
  assert.equal([seen[0], seen.slice(1).every((held) => held)], [false, true]);
  assert.ok(seen.length > 8);
});

test('what stands in a folder of its owner is not touched', async () => {
  disk.makeDirectory(at('mine'));
  writeFileSync(at('mine/notes.txt'), 'x');
  assert.is(await codeOf(() => into(at('mine'))), 'ERR_IMPORT_NOT_EMPTY');
  assert.equal(readdirSync(at('mine')), ['notes.txt']);
});

test.run();
