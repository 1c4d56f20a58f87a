/** Shows or dumps a journal on stdout in a process of its own, whose heap the test keeps small. Arguments: file, show or dump. */
import { ALL_RECORDS } from '../../src/inspection/show/record-filter.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { dumpFile } from '../../src/inspection/dump/dump.ts';
import { DumpText } from '../../src/inspection/dump/dump-writer.ts';
import { JsonWriter } from '../../src/inspection/show/show-json.ts';
import { LineOutput, whileRead } from '../../src/inspection/show/show-output.ts';
import { showJournal } from '../../src/inspection/show/show.ts';

const [path = '', what = 'show'] = process.argv.slice(2);
const disk = new NodeDisk();
const output = new LineOutput(process.stdout);
const found = { path, slot: 1, volumes: null, stateProblem: null, running: false };
await whileRead<unknown>(() =>
  what === 'show'
    ? showJournal({ disk, found, filter: ALL_RECORDS, map: false, output, writer: new JsonWriter(output) })
    : dumpFile({ disk, found, output, writer: new DumpText(output), payloadBytes: 64, sequence: null, region: null }),
);
