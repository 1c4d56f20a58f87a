/** `journal ls` predicts what a start refuses with, also where several things are wrong: what a start meets first is what it says. */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decideRecovery } from '../../src/crash-replay/replay/decide-recovery.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { predictedOtherwise } from '../../src/crash-replay/replay/replay-prediction.ts';
import { runRecovery } from '../../src/crash-replay/replay/run-recovery.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { withFolder } from '../support/scratch.ts';

/** Break the journals of a fixture's host; what a start refuses with, which was predicted and decided before. */
function startAfter(fixture: string, breakJournals: (journals: string) => void): Promise<string | null> {
  return withFolder(async (folder) => {
    const disk = new NodeDisk();
    const host = await unpackCrash(join(LIBRARY, fixture), folder);
    breakJournals(host.journals.directory);
    const question = { disk, host, recover: 'start' } as const;
    const found = await decideRecovery(question);
    assert.equal(await predictedOtherwise({ ...question, found }), []);
    const { error } = await runRecovery({ disk, host, manifest: { recover: 'start', group: { name: 'fixture' } } });
    assert.is(error?.code ?? null, found.error?.code ?? null);
    return error?.code ?? null;
  });
}

const slot = (journals: string, number: number): string => join(journals, `slot-000${number}.journal`);
const spoilWatermark = (journals: string): void => writeFileSync(join(journals, 'watermark'), Buffer.alloc(8192, 0x20));

test('a promoted host does not look at its journals, whatever they are', async () => {
  for (const spoil of [
    spoilWatermark,
    (journals: string): void => rmSync(slot(journals, 1)),
    (journals: string): void => writeFileSync(slot(journals, 1), 'short'),
    (journals: string): void => copyFileSync(slot(journals, 0), slot(journals, 1)),
    (journals: string): void => rmSync(join(journals, 'watermark')),
  ])
    assert.is(await startAfter('killed-during-promotion-step-6', spoil), null);
});

test('journals are opened before the watermark is judged, and behind its absence', async () => {
  const both = (journals: string): void => {
    spoilWatermark(journals);
    copyFileSync(slot(journals, 0), slot(journals, 1));
  };
  assert.is(await startAfter('killed-in-mid-load', both), 'ERR_JOURNAL_GEOMETRY');
  assert.is(await startAfter('killed-in-mid-load', spoilWatermark), 'ERR_WATERMARK_UNREADABLE');
  const absent = (journals: string): void => {
    rmSync(join(journals, 'watermark'));
    rmSync(slot(journals, 2));
  };
  assert.is(await startAfter('killed-in-mid-load', absent), 'ERR_WATERMARK_MISSING');
});

test.run();
