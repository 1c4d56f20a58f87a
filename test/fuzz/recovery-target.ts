/**
 * Damage in the folders of a secondary, then the production recovery. An input is the number of a template and one to three edits of
 * its journals, watermark and state; whole sectors are wiped or stale only alone, because two such damages can together look like a
 * state that a power cut leaves (docs/fuzzing.md).
 */
import fc from 'fast-check';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { hostStatePath } from '../../src/state/host-state.ts';
import { JOURNALS_DIRECTORY, STATE_DIRECTORY, VOLUMES } from '../support/secondary-host.ts';
import { diskOf } from './disk.ts';
import { SLOTS } from './journal-inputs.ts';
import { judgeHeld, judgeRefusal, judgeVolumes, recoverToRest } from './recovered-secondary.ts';
import { TEMPLATES, type Template } from './secondary-template.ts';
import { must, type Input, type Target } from './target.ts';

const FILES = [
  hostStatePath(STATE_DIRECTORY),
  watermarkPath(JOURNALS_DIRECTORY),
  ...Array.from({ length: SLOTS }, (_, slot) => journalPath(JOURNALS_DIRECTORY, slot)),
];
const EMPTY = new Uint8Array(0);
const SECTOR_BYTES = 512;
const EDIT = { xor: 0, set: 1, zeroSector: 2, onesSector: 3, staleSector: 4, misplacedSector: 5, truncate: 6, remove: 7 } as const;

/** An edit: file, kind, two bytes unused, offset of 32 bits, then the bytes of `xor` and `set`. */
function editOf(options: { file: number; kind: number; offset: number; bytes: Uint8Array }): Uint8Array {
  const edit = new Uint8Array(8 + options.bytes.length);
  edit[0] = options.file;
  edit[1] = options.kind;
  new DataView(edit.buffer).setUint32(4, options.offset, true);
  edit.set(options.bytes, 8);
  return edit;
}

const anyOffset = fc.oneof(
  fc.nat(120),
  fc.nat(120).map((offset) => 4096 + offset),
  fc.nat(400).map((offset) => 8192 + offset),
  { weight: 3, arbitrary: fc.nat(24_000).map((offset) => 8192 + offset) },
);
const anyFile = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constant(1) },
  { weight: 8, arbitrary: fc.integer({ min: 2, max: FILES.length - 1 }) },
);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 16 });
const anySmallEdit = fc
  .record({ file: anyFile, kind: fc.constantFrom(EDIT.xor, EDIT.xor, EDIT.set), offset: anyOffset, bytes })
  .map(editOf);
const anyLargeEdit = fc
  .record({
    file: anyFile,
    kind: fc.integer({ min: EDIT.zeroSector, max: EDIT.remove }),
    offset: anyOffset,
    bytes: fc.constant(new Uint8Array(1)),
  })
  .map(editOf);
const header = fc.tuple(fc.nat(TEMPLATES.length - 1), fc.nat(1)).map(([template, mode]) => Uint8Array.of(template, mode));

export const recoveryTarget: Target = {
  name: 'recovery',
  property:
    'after damage recovery comes to the history at one data set, not older than watermark and flags promise, or refuses and names the file (I1, I3, I9)',
  golden: TEMPLATES.flatMap((_, template) => [[Uint8Array.of(template, 0)], [Uint8Array.of(template, 1)]]),
  generator: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(header, fc.array(anySmallEdit, { minLength: 1, maxLength: 3 })).map(([begin, edits]) => [begin, ...edits]),
    },
    fc.tuple(header, anyLargeEdit).map((parts) => parts),
  ),
  mutationsMax: 0,
  testInputs: 360,
  mustReach: [
    'at what was promised',
    'newer than promised',
    'ERR_STATE_CORRUPT',
    'ERR_JOURNAL_SIZE',
    'ERR_JOURNAL_MISSING',
    'ERR_RECOVERY_FLAGGED_DAMAGED',
    'ERR_RECOVERY_JOURNAL_UNREADABLE',
  ],
  run: async ([begin, ...edits]: Input): Promise<string> => {
    const template = TEMPLATES[(begin?.[0] ?? 0) % TEMPLATES.length] as Template;
    const older = TEMPLATES[TEMPLATES.indexOf(template) - 1] ?? template;
    const disk = diskOf(edited(template, edits, older));
    const volumes = VOLUMES.map(({ path }) => Buffer.from(disk.readFile(path) ?? EMPTY));
    try {
      const { destaged } = await recoverToRest(disk, begin?.[1] === 1 ? 'promote' : 'start', judgeHeld);
      judgeVolumes(disk, destaged);
      must(destaged >= template.promised, `the copy is at data set ${destaged}, and ${template.promised} was promised`);
      return destaged === template.promised ? 'at what was promised' : 'newer than promised';
    } catch (error) {
      if (!(error instanceof FarshoreError)) throw error;
      judgeRefusal(error);
      for (const [index, { path }] of VOLUMES.entries())
        must(
          Buffer.compare(volumes[index] ?? EMPTY, disk.readFile(path) ?? EMPTY) === 0,
          'a recovery that refuses has not touched a volume',
        );
      return error.code;
    }
  },
};

function edited({ files }: Template, edits: readonly Uint8Array[], older: Template): ReadonlyMap<string, Uint8Array> {
  const damaged = new Map(files);
  for (const edit of edits) {
    const path = FILES[(edit[0] ?? 0) % FILES.length] as string;
    const content = damaged.get(path);
    if (content === undefined || edit.length < 8) continue;
    const made = applied(content, edit, older.files.get(path) ?? content);
    if (made === null) damaged.delete(path);
    else damaged.set(path, made);
  }
  return damaged;
}

/** The file with the edit; null: it is gone. @param older the same file some time ago */
function applied(content: Uint8Array, edit: Uint8Array, older: Uint8Array): Uint8Array | null {
  const copy = Uint8Array.from(content);
  const at = new DataView(edit.buffer, edit.byteOffset).getUint32(4, true) % copy.length;
  const sector = at - (at % SECTOR_BYTES);
  const values = edit.subarray(8).subarray(0, copy.length - at);
  switch (edit[1]) {
    case EDIT.xor:
      values.forEach((value, index) => {
        copy[at + index] = (copy[at + index] ?? 0) ^ value;
      });
      return copy;
    case EDIT.set:
      copy.set(values, at);
      return copy;
    case EDIT.zeroSector:
      return copy.fill(0, sector, sector + SECTOR_BYTES);
    case EDIT.onesSector:
      return copy.fill(0xff, sector, sector + SECTOR_BYTES);
    case EDIT.staleSector:
      copy.set(older.subarray(sector, Math.min(sector + SECTOR_BYTES, copy.length)), sector);
      return copy;
    case EDIT.misplacedSector:
      copy.set(content.subarray(sector, sector + SECTOR_BYTES), (sector + SECTOR_BYTES * 3) % (copy.length - SECTOR_BYTES + 1));
      return copy;
    case EDIT.truncate:
      return copy.slice(0, at);
    default:
      return null;
  }
}
