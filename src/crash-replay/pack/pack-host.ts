/**
 * Pack a stopped secondary as a fixture, for a bug report: its state, its journals, and of its volumes nothing, or what the data sets
 * above the watermark touch (a small volume whole). What it should become nobody knows, so the pack says what recovery decides now.
 *
 * The host is only read; it must not run meanwhile. Free text, paths and addresses stay behind.
 */
import { copyFileSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { journalSlotOf } from '../../../journals/files.ts';
import { BLOCK_BYTES, decodeHeader } from '../../../journals/format.ts';
import { isRunning } from '../../cli/control-client.ts';
import { NodeDisk } from '../../disk/node-disk.ts';
import { FarshoreError, RefusedError, UsageError } from '../../model/errors.ts';
import type { Geometry } from '../../model/ids.ts';
import { locateRing } from '../../inspection/ring/locate-ring.ts';
import { guessGeometry } from '../../inspection/ring/read-ring.ts';
import { isRingInUse } from '../../inspection/ring/running.ts';
import { controlSocketPath } from '../../state/state-folder.ts';
import { hostStatePath, readHostState, type HostState } from '../../state/host-state.ts';
import { DataKey } from './data-key.ts';
import { decideRecovery, type Decision } from '../replay/decide-recovery.ts';
import { writeExpected, writeManifest, FIXTURE_FORMAT_VERSION, type FixtureVolume } from '../fixture-files.ts';
import { journalFilesIn, packCrash, stateFilesIn, type HostFolder } from '../fixture-folder.ts';
import { clearOut, prepareOut } from '../out-folder.ts';
import { contentOf } from './pack-volumes.ts';
import { packReadme } from './pack-readme.ts';
import { programVersion } from '../program-version.ts';
import { NotesFile } from './replaced-notes.ts';
import { withoutReason } from './replace-state.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { writeVolumesWithoutData } from './replace-volumes.ts';
import { writeWithoutData } from './without-data.ts';
import { decideOnCopy, withoutPoint, type RecordReport } from '../write-fixture.ts';

export interface PackOptions {
  readonly stateDirectory: string;
  /** Null: where an init puts them, inside the state folder. */
  readonly journals: string | null;
  /** Source volumes by name; those that are missing are left out. */
  readonly volumes: readonly { readonly name: string; readonly path: string }[];
  readonly withoutData: boolean;
  readonly out: string;
  readonly name: string | null;
  readonly recover: 'start' | 'promote';
  readonly say: (line: string) => void;
}

/** Pack it. @throws RefusedError ERR_FIXTURE_RUNNING; FarshoreError ERR_FIXTURE_DECISION; UsageError ERR_FIXTURE_OUT, ERR_FIXTURE_VOLUME, ERR_NO_JOURNALS */
export async function packHost(options: PackOptions): Promise<RecordReport> {
  const source = await findHost(options);
  await refuseRunning(source);
  prepareOut(options.out);
  try {
    return await withTemporaryFolder((work) => pack(source, work, options), options.out);
  } catch (error) {
    clearOut(options.out);
    throw error;
  }
}

async function pack(source: SourceHost, work: string, options: PackOptions): Promise<RecordReport> {
  const { out, recover } = options;
  const copy = copyHost(source, join(work, 'copy'));
  const decision = await decideRecovery({ disk: new NodeDisk(), host: copy, recover });
  const volumes = source.volumes.map((volume) => contentOf(volume, copy));
  const packed = options.withoutData ? leaveDataOut(copy, { ...options, volumes, into: join(work, 'without') }) : copy;
  // It may have been started since.
  await refuseRunning(source);
  writeManifest(out, manifestOf(options, source, volumes));
  await packCrash(out, packed, volumes);
  assertSameDecision(decision, await decideOnCopy(out, recover));
  writeExpected(out, {
    ...withoutPoint(decision),
    volumes: Object.fromEntries(volumes.map(({ name }) => [name, null])),
    volumesFrom: 'Not known: this is a report of a real host. The decisions are those of the program that packed it.',
  });
  writeFileSync(join(out, 'README.md'), packReadme({ options, volumes, decision }));
  return reportOf(options, decision);
}

interface SourceHost extends HostFolder {
  readonly groupName: string;
}

async function findHost(options: PackOptions): Promise<SourceHost> {
  const disk = new NodeDisk();
  const stateDirectory = resolve(options.stateDirectory);
  if (!existsSync(hostStatePath(stateDirectory))) {
    throw new UsageError('ERR_FIXTURE_STATE', `${options.stateDirectory} is no state folder: host-state.json is not in it`, {
      hint: 'name the folder that the config of the secondary calls state',
    });
  }
  const { directory } = locateRing({ disk, path: options.journals ?? stateDirectory });
  const state = stateOf(disk, stateDirectory);
  const entries = state?.volumes ?? [];
  const stray = options.volumes.find(({ name }) => !entries.some((entry) => entry.name === name));
  if (stray !== undefined) throw noSuchVolume(stray.name, state);
  return {
    stateDirectory,
    journals: { directory, geometry: geometryIn(directory) },
    volumes: entries.map((entry) => ({
      ...entry,
      path: options.volumes.find(({ name }) => name === entry.name)?.path ?? '',
      store: 'auto',
    })),
    groupName: state?.groupName ?? 'unknown',
  };
}

/** The state; null when it is damaged, which may be what is reported. */
function stateOf(disk: NodeDisk, stateDirectory: string): HostState | null {
  try {
    return readHostState(disk, stateDirectory);
  } catch (error) {
    if (error instanceof FarshoreError) return null;
    throw error;
  }
}

function geometryIn(directory: string): Geometry {
  const disk = new NodeDisk();
  const block = Buffer.alloc(BLOCK_BYTES);
  const slots = journalFilesIn(directory).flatMap((name) => {
    const slot = journalSlotOf(name);
    if (slot === null) return [];
    const file = disk.open(join(directory, name), { readOnly: true });
    block.fill(0);
    file.readSync(block, 0);
    const found = { slot, fileBytes: file.sizeBytes(), header: decodeHeader(block) };
    file.closeSync();
    return [found];
  });
  const found = guessGeometry(
    slots.map(({ header }) => header),
    slots,
  );
  if (found === null)
    throw new UsageError('ERR_NO_JOURNALS', `${directory} holds no journals: neither their headers nor their sizes tell slots and size`);
  return found;
}

async function refuseRunning({ stateDirectory, journals }: HostFolder): Promise<void> {
  const socket = controlSocketPath(stateDirectory);
  if (!(await isRunning(socket)) && isRingInUse(journals.directory) !== true) return;
  throw new RefusedError('ERR_FIXTURE_RUNNING', `a host uses ${stateDirectory}: its files change while they would be read`, {
    hint: 'stop it first, or pack a copy of its files; "farshore journal ls" looks at a running host',
  });
}

/** Everything that is small enough to be copied: state and journals. */
function copyHost(source: HostFolder, into: string): HostFolder {
  const stateDirectory = join(into, 'state');
  const directory = join(stateDirectory, 'journals');
  mkdirSync(directory, { recursive: true });
  for (const name of stateFilesIn(source.stateDirectory)) {
    const from = join(source.stateDirectory, name);
    if (name === 'last-head') copyFileSync(from, join(stateDirectory, name));
    else writeFileSync(join(stateDirectory, name), withoutReason(readFileSync(from)));
  }
  for (const name of journalFilesIn(source.journals.directory))
    copyFileSync(join(source.journals.directory, name), join(directory, name), constants.COPYFILE_FICLONE);
  return { stateDirectory, journals: { ...source.journals, directory }, volumes: source.volumes };
}

function leaveDataOut(
  host: HostFolder,
  { into, out, volumes, say }: { into: string; out: string; volumes: readonly FixtureVolume[]; say: (line: string) => void },
): HostFolder {
  const key = new DataKey();
  const notes = new NotesFile(out);
  try {
    const without = writeWithoutData({ host, into, key, note: notes.add });
    return { ...without, volumes: writeVolumesWithoutData({ host, volumes, into: join(into, 'volumes'), key }) };
  } finally {
    notes.close();
    say(`${notes.count} checksums and chains replaced`);
  }
}

function manifestOf(options: PackOptions, source: SourceHost, volumes: readonly FixtureVolume[]): Parameters<typeof writeManifest>[1] {
  const { slots, slotBytes } = source.journals.geometry;
  return {
    formatVersion: FIXTURE_FORMAT_VERSION,
    name: nameOf(options),
    recover: options.recover,
    group: { name: source.groupName },
    volumes,
    journals: { slots, slotBytes },
    madeBy: {
      recipe: `farshore fixture record --from STATE_DIR${options.withoutData ? ' --without-data' : ''}`,
      farshore: programVersion(),
      node: process.version,
      crashPoint: null,
      damage: [],
    },
    withoutData: options.withoutData,
  };
}

function nameOf({ name, out }: PackOptions): string {
  return name ?? basename(resolve(out));
}

/** What is packed must say the same as what it was packed from. */
function assertSameDecision(before: Decision, after: Decision): void {
  const [expected, found] = [before, after].map((decision) => JSON.stringify({ ...withoutPoint(decision), chain: null }));
  if (expected === found) return;
  throw new FarshoreError('ERR_FIXTURE_DECISION', 'recovery would decide otherwise about the pack than about the host', {
    hint: 'nothing was packed; pack it with its data, or report this',
    details: { expected, found },
  });
}

function reportOf(options: PackOptions, decision: Decision): RecordReport {
  const { journals, watermarkBefore, error, outcome, through } = decision;
  return {
    directory: options.out,
    name: nameOf(options),
    crashPoint: null,
    recover: options.recover,
    outcome,
    error: error?.code ?? null,
    watermarkBefore,
    through,
    writes: null,
    writesThrough: null,
    withRegion: null,
    journals,
  };
}

function noSuchVolume(name: string, state: HostState | null): UsageError {
  if (state === null)
    return new UsageError(
      'ERR_FIXTURE_VOLUME',
      `the host's state is damaged, so which volumes it has is not known; "${name}" cannot be packed`,
      {
        hint: 'pack without volumes',
      },
    );
  return new UsageError('ERR_FIXTURE_VOLUME', `the host has no volume "${name}"`, {
    hint: `its volumes: ${state.volumes.map((entry) => entry.name).join(', ')}`,
  });
}
