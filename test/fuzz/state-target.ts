/** The small files of a state folder as bytes: the host's state, the stream's state with its backlog and marker, the last head. */
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { FarshoreError } from '../../src/model/errors.ts';
import { lastStoredAcknowledged, readStreamState, writeCleanMarker, writeStreamState } from '../../src/primary/stream-state.ts';
import { LastHeadFile } from '../../src/secondary/last-head.ts';
import { encodeChecked, readHostState } from '../../src/state/host-state.ts';
import { STATE_DIRECTORY } from '../support/secondary-host.ts';
import { diskOf } from './disk.ts';
import { model, setOf } from './journal-inputs.ts';
import { hostState } from './secondary-template.ts';
import { must, type Input, type Target } from './target.ts';

const NAMES = ['host-state.json', 'stream-state.json', 'clean-stop', 'backlog.bin', 'last-head'] as const;
const pathOf = (name: string): string => `${STATE_DIRECTORY}/${name}`;
const CODES: ReadonlySet<string> = new Set(['ERR_STATE_CORRUPT', 'ERR_STATE_VERSION', 'ERR_NOT_INITIALISED']);

const stream = {
  formatVersion: 1 as const,
  groupId: hostState.groupId ?? '',
  stream: hostState.stream ?? '',
  generation: 1,
  nextDataSet: 8,
  nextSequence: setOf(7).point.finalSequence + 1,
  bytesTaken: 1_000_000,
  chain: setOf(7).point.chain,
  chains: model.dataSets.map(({ point }) => point),
  acknowledged: setOf(6).point,
  agreed: null,
  dataSets: [{ dataSet: 7, firstSequence: setOf(7).firstSequence, records: setOf(7).records.length, acknowledged: [] }],
};
const golden = await goldenFiles();
const written = readAll(golden);

async function goldenFiles(): Promise<Input> {
  const disk = diskOf(new Map([[pathOf('host-state.json'), encodeChecked(hostState)]]));
  await writeStreamState(
    disk,
    STATE_DIRECTORY,
    stream,
    setOf(7).records.map(({ bytes }) => bytes),
  );
  writeCleanMarker(disk, STATE_DIRECTORY);
  const head = new Uint8Array(512).fill(32);
  head.set(encodeChecked({ head: { dataSet: 8, sequence: 90, bytes: 5, timeMs: 1_700_000_000_000 }, receivedAtMs: 1_700_000_000_001 }));
  disk.replaceFile(pathOf('last-head'), head);
  return NAMES.map((name) => disk.readFile(pathOf(name)) ?? new Uint8Array(0));
}

interface Read {
  readonly host: unknown;
  readonly loaded: unknown;
  readonly head: unknown;
  readonly acknowledged: unknown;
}

/** Whether the last line is the checksum of what is before it. */
function isSealed(bytes: Uint8Array = new Uint8Array(0)): boolean {
  // Bytes that are no UTF-8 are read as their replacement, and checked as what is read.
  const text = Buffer.from(bytes).toString('utf8');
  const at = text.lastIndexOf('crc32 ');
  return at > 0 && text.slice(at) === `crc32 ${crc32(text.slice(0, at)).toString(16).padStart(8, '0')}\n`;
}

/** What the files say; a refusal is its code. */
function readAll(files: Input): Read {
  const disk = diskOf(new Map(NAMES.map((name, index) => [pathOf(name), files[index] ?? new Uint8Array(0)])));
  const attempt = (read: () => unknown): unknown => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FarshoreError)) throw error;
      must(CODES.has(error.code) && error.message.includes(`${STATE_DIRECTORY}/`), `${error.code}: ${error.message}`);
      return error.code;
    }
  };
  return {
    host: attempt(() => readHostState(disk, STATE_DIRECTORY)),
    loaded: attempt(() => readStreamState(disk, STATE_DIRECTORY)),
    head: attempt(() => new LastHeadFile(disk, STATE_DIRECTORY).read()),
    acknowledged: attempt(() => lastStoredAcknowledged(disk, STATE_DIRECTORY)),
  };
}

/** Found: text that is no JSON, and JSON that is no object, under right checksums. */
const edited = ['{"formatVersion": E}\n', 'null\n', '[]\n'].map((body) =>
  new TextEncoder().encode(`${body}crc32 ${crc32(body).toString(16).padStart(8, '0')}\n`),
);

export const stateTarget: Target = {
  name: 'state',
  property: 'the files of a state folder say what was written, or are refused with their name',
  golden: [golden, ...edited.map((bytes) => golden.map((file, index) => (index < 3 ? bytes : file)))],
  partsAreFixed: true,
  fix: (part) => {
    // The last line is the checksum of what is before it.
    const at = Buffer.from(part.buffer, part.byteOffset, part.length).lastIndexOf('crc32 ');
    if (at > 0 && at + 14 <= part.length) part.set(Buffer.from(crc32(part.subarray(0, at)).toString(16).padStart(8, '0')), at + 6);
  },
  testInputs: 2_500,
  mustReach: ['as written', 'refused', 'unclean'],
  run: (files: Input): string => {
    const found = readAll(files);
    const isChanged = files.some((bytes, index) => Buffer.compare(bytes, golden[index] ?? new Uint8Array(0)) !== 0);
    const same = isDeepStrictEqual(found, written);
    if (typeof found.host !== 'string') must(isSealed(files[0]), 'a host state is read only under its right checksum');
    if (typeof found.loaded === 'object' && found.loaded !== null)
      must(
        isSealed(files[1]) && isSealed(files[2]) && isDeepStrictEqual(files[3], golden[3]),
        "a stream's state is read only with its marker and backlog",
      );
    if (!isChanged) must(same, 'what was written is read');
    if (same) return 'as written';
    const refused = Object.values(found).some((value) => typeof value === 'string');
    return refused ? 'refused' : found.loaded === null ? 'unclean' : 'edited';
  },
};
