/**
 * Figure 4, and the tables of Figure 3 as the primary transmits them: which data set ID and sequence number each write and sync
 * command gets. VLUN, LBA, length and data are the shell's, which encodes the record with the numbers given here.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PrimaryEffect } from '../../src/protocol/primary-contract.ts';
import { makeMachine } from '../support/primary-harness.ts';

interface Row {
  readonly command: 'Write' | 'Sync';
  readonly block: string;
  readonly dataSet: number;
  readonly sequence: number;
}

function write(block: string, dataSet: number, sequence: number): Row {
  return { command: 'Write', block, dataSet, sequence };
}

function sync(dataSet: number, sequence: number): Row {
  return { command: 'Sync', block: '', dataSet, sequence };
}

/** The tables of Figure 3, from data set 0 on. */
const FIGURE_3: readonly Row[] = [
  ...['A0', 'B0', 'C0', 'D0', 'E0', 'F0'].map((block, index) => write(block, 0, 134 + index)),
  sync(0, 140),
  write('D1', 1, 141),
  sync(1, 142),
  write('E1', 2, 143),
  write('A1', 2, 144),
  sync(2, 145),
  write('B2', 3, 146),
  write('F1', 3, 147),
  sync(3, 148),
];

/** Let an application write the blocks of Figure 3, and cut where it has a sync; what the machine numbered, as rows. */
function replicateFigure3(): { rows: Row[]; effects: PrimaryEffect[] } {
  const machine = makeMachine({ nextSequence: 134 });
  const blocks = new Map<number, string>();
  const effects: PrimaryEffect[] = [];
  effects.push(
    ...machine.step(
      [
        { event: 'sessionEstablished', windowHigh: 15, dataSetBytesMax: 1e6, recordsMax: 100, held: [], destaged: null },
        { event: 'linkOpened', link: 1 },
        { event: 'linkReady', link: 1, budgetBytes: 1e6 },
      ],
      0,
    ),
  );
  for (const [request, { command, block }] of FIGURE_3.entries()) {
    blocks.set(request, block);
    const events =
      command === 'Sync'
        ? [{ event: 'cutRequested', reason: 'bookmark' } as const]
        : [
            { event: 'writeRequested', request, records: 1, encodedBytes: 608, fua: false } as const,
            { event: 'writeStored', request, recordBytes: [608] } as const,
          ];
    effects.push(...machine.step(events, 0));
  }
  const rows = effects.flatMap((effect): Row[] => {
    if (effect.effect === 'appendRecords') return [write(blocks.get(effect.request) ?? '', effect.dataSet, effect.sequence)];
    return effect.effect === 'closeDataSet' ? [sync(effect.dataSet, effect.finalSequence)] : [];
  });
  return { rows, effects };
}

test('Fig. 3: the tables of data sets 0-3, number for number', () => {
  assert.equal(replicateFigure3().rows, FIGURE_3);
});

test('Fig. 4: a data set ID identifies the blocks sent between two sync commands', () => {
  const { rows } = replicateFigure3();
  let dataSet = 0;
  for (const row of rows) {
    assert.is(row.dataSet, dataSet);
    if (row.command === 'Sync') dataSet += 1;
  }
});

test('Fig. 4: a sequence number indicates the order in which the primary host sent the commands, without holes', () => {
  const { effects } = replicateFigure3();
  const sent = effects.flatMap((effect) => (effect.effect === 'sendRecords' ? [[effect.from, effect.to]] : []));
  assert.equal(
    sent,
    FIGURE_3.map((row) => [row.sequence, row.sequence]),
  );
});

test("Fig. 4: a sync command's number is the final one, and the previous sync command's number bounds the data set", () => {
  const { effects } = replicateFigure3();
  const bounds = effects.flatMap((effect) => (effect.effect === 'closeDataSet' ? [[effect.firstSequence, effect.finalSequence]] : []));
  assert.equal(bounds, [
    [134, 140],
    [141, 142],
    [143, 145],
    [146, 148],
  ]);
});

test('Fig. 12: two transactions in one data set, then one each: sequence ranges 264-270, 271-274, 275-277, 278-282', () => {
  const machine = makeMachine({ nextSequence: 264 });
  const closed: string[] = [];
  let request = 0;
  for (const transactions of [[3, 3], [3], [2], [4]]) {
    for (const records of transactions) {
      request += 1;
      const recordBytes = Array.from({ length: records }, () => 608);
      machine.step(
        [
          { event: 'writeRequested', request, records, encodedBytes: 608 * records, fua: false },
          { event: 'writeStored', request, recordBytes },
        ],
        0,
      );
    }
    for (const effect of machine.step([{ event: 'cutRequested', reason: 'bookmark' }], 0)) {
      if (effect.effect === 'closeDataSet') closed.push(`${effect.firstSequence}-${effect.finalSequence}`);
    }
  }
  assert.equal(closed, ['264-270', '271-274', '275-277', '278-282']);
});

test.run();
