/** Write a recorded crash as a fixture: packed, with what recovery will decide, and the volumes that the history says it must lead to. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { journalFilesIn } from './fixture-folder.ts';
import type { ScannedRecord } from '../../journals/contract.ts';
import { scanJournal } from '../../journals/scan.ts';
import { NodeDisk } from '../disk/node-disk.ts';
import { FarshoreError } from '../model/errors.ts';
import type { DataSetId, HistoryPoint } from '../model/ids.ts';
import { readHostState } from '../state/host-state.ts';
import { decideRecovery, type Decision } from './replay/decide-recovery.ts';
import {
  FIXTURE_FORMAT_VERSION,
  writeExpected,
  writeManifest,
  type ExpectedAdoption,
  type ExpectedJournal,
  type FixtureManifest,
  type FixtureVolume,
} from './fixture-files.ts';
import { expectedVolumePath, packCrash, unpackCrash, type HostFolder } from './fixture-folder.ts';
import { heldByPeer, recordsOf } from './held-by-peer.ts';
import { onRegionCopy } from './replay/region-copy.ts';
import { programVersion } from './program-version.ts';
import type { RecordedHistory } from './record/recorded-history.ts';
import { withTemporaryFolder } from './temporary-folder.ts';
import { readmeOf } from './fixture-readme.ts';

export interface RecordedCrash {
  readonly out: string;
  readonly name: string;
  /** What the crash did, as one sentence. */
  readonly story: string;
  readonly host: HostFolder;
  readonly history: RecordedHistory;
  readonly recover: 'start' | 'promote';
  readonly crashPoint: string | null;
  readonly recipe: string;
}

export interface RecordReport {
  readonly directory: string;
  readonly name: string;
  readonly crashPoint: string | null;
  readonly recover: 'start' | 'promote';
  readonly outcome: 'recover' | 'refuse';
  readonly error: string | null;
  readonly watermarkBefore: DataSetId | null;
  readonly through: DataSetId | null;
  /** What the region of the peer adds to that; null: there is none. */
  readonly withRegion: ExpectedAdoption | null;
  /** Writes of the recording, and those among them that the copy must hold after recovery; null: not known, or not recorded here. */
  readonly writes: number | null;
  readonly writesThrough: number | null;
  readonly journals: readonly ExpectedJournal[];
}

/** @throws FarshoreError ERR_FIXTURE_HISTORY when the journals do not hold what was written */
export async function writeFixture(crash: RecordedCrash): Promise<RecordReport> {
  const { out, host, history, recover } = crash;
  const manifest = manifestOf(crash);
  writeManifest(out, manifest);
  await packCrash(out, host, manifest.volumes);
  const decision = await decideOnCopy(out, recover);
  const first = firstOf(host);
  checkJournals(host, history, first);
  const held = await heldBeyond(host, decision, { history, first });
  const { through, outcome } = decision;
  const throughPoint = held?.point ?? decision.throughPoint;
  // Every data set has one sync command, and every other number is one write.
  const writesThrough = throughPoint === null ? 0 : writeOf(throughPoint.finalSequence, throughPoint.dataSet, first);
  if (writesThrough > history.writes.length)
    throw unlike(`data set ${throughPoint?.dataSet} ends after ${writesThrough} writes, ${history.writes.length} were issued`);
  const volumes = outcome === 'refuse' ? unchangedVolumes(host) : expectedVolumes(crash, writesThrough);
  const withRegion = held?.expected;
  const from = volumesFrom({ ...decision, through: throughPoint?.dataSet ?? null }, writesThrough, history);
  writeExpected(out, { ...withoutPoint(decision), ...(withRegion === undefined ? {} : { withRegion }), volumes, volumesFrom: from });
  const story = { ...crash, decision, writes: history.writes.length, writesThrough, withRegion: withRegion ?? null };
  writeFileSync(join(out, 'README.md'), readmeOf(story));
  const { journals, watermarkBefore, error } = decision;
  return {
    directory: out,
    name: crash.name,
    crashPoint: crash.crashPoint,
    recover,
    outcome,
    error: error?.code ?? null,
    watermarkBefore,
    through,
    withRegion: withRegion ?? null,
    writes: history.writes.length,
    writesThrough,
    journals,
  };
}

/** What the region of the peer adds, held against the history; null: there is none. */
async function heldBeyond(
  host: HostFolder,
  { throughPoint }: Decision,
  { history, first }: { history: RecordedHistory; first: First },
): Promise<{ readonly point: HistoryPoint | null; readonly expected: ExpectedAdoption } | null> {
  return onRegionCopy(host, new NodeDisk(), async (region) => {
    if (region === null) return null;
    for (const record of recordsOf(region)) checkRecord(record, 'the region of the peer', { history, first });
    const { records, added, through } = heldByPeer(host, region, throughPoint);
    return { point: through, expected: { error: null, records, added, through: through?.dataSet ?? null } };
  });
}

/** Ask about an unpacked copy: what was packed is what was decided about. */
export function decideOnCopy(fixture: string, recover: 'start' | 'promote'): Promise<Decision> {
  return withTemporaryFolder(
    async (copy) => decideRecovery({ disk: new NodeDisk(), host: await unpackCrash(fixture, copy), recover }),
    fixture,
  );
}

/** The decision as `expected.json` has it. */
export function withoutPoint({ throughPoint: _point, ...decision }: Decision): Omit<Decision, 'throughPoint'> {
  return decision;
}

function manifestOf({ name, host, recover, crashPoint, recipe }: RecordedCrash): FixtureManifest {
  const { slots, slotBytes } = host.journals.geometry;
  const { groupName } = readHostState(new NodeDisk(), host.stateDirectory);
  return {
    formatVersion: FIXTURE_FORMAT_VERSION,
    name,
    recover,
    group: { name: groupName },
    volumes: host.volumes.map(({ name: volume, vlun, sizeBytes }): FixtureVolume => ({ name: volume, vlun, sizeBytes, content: 'whole' })),
    journals: { slots, slotBytes },
    ...(host.nvram === undefined ? {} : { nvram: { sizeBytes: host.nvram.sizeBytes } }),
    madeBy: { recipe, farshore: programVersion(), node: process.version, crashPoint, damage: [] },
    withoutData: false,
  };
}

interface First {
  readonly dataSet: number;
  readonly sequence: number;
}

/** Where the numbers of the first generation begin. */
function firstOf({ stateDirectory }: HostFolder): First {
  const [generation] = readHostState(new NodeDisk(), stateDirectory).generations;
  return { dataSet: generation?.firstDataSet ?? 0, sequence: generation?.firstSequence ?? 0 };
}

/** How many writes have a number below this one, which belongs to this data set. */
function writeOf(sequence: number, dataSet: DataSetId, first: First): number {
  return sequence - first.sequence - (dataSet - first.dataSet);
}

/** Hold the history against every record that is still in the journals. */
function checkJournals(host: HostFolder, history: RecordedHistory, first: First): void {
  const { directory } = host.journals;
  for (const name of journalFilesIn(directory)) {
    const path = join(directory, name);
    for (const record of name === 'watermark' ? [] : scanJournal(readFileSync(path), { slot: 0, path }).records)
      checkRecord(record, name, { history, first });
  }
}

type HeldRecord = Pick<ScannedRecord, 'type' | 'sequence' | 'dataSet' | 'vlun' | 'lba' | 'lengthBytes' | 'payloadChecksum' | 'offset'>;

function checkRecord(record: HeldRecord, name: string, { history, first }: { history: RecordedHistory; first: First }): void {
  if (record.type === 'sync' || record.type === 'pad') return;
  const index = writeOf(record.sequence, record.dataSet, first);
  const write = history.writes[index];
  const checksum = history.checksumOf(index) ?? 0;
  const isSame =
    write?.kind === record.type &&
    write.vlun === record.vlun &&
    write.lba === record.lba &&
    write.blocks * 512 === record.lengthBytes &&
    checksum === record.payloadChecksum;
  if (!isSame) throw unlike(`${name}, byte ${record.offset}: record ${record.sequence} is not write ${index}`);
}

function expectedVolumes({ out, host, history }: RecordedCrash, writes: number): Record<string, { sha256: string }> {
  const images = history.imagesAfter(writes);
  const volumes: Record<string, { sha256: string }> = {};
  for (const { name, vlun, path } of host.volumes) {
    const image = images.get(vlun) ?? Buffer.alloc(0);
    volumes[name] = { sha256: sha256Of(image) };
    if (readFileSync(path).equals(image)) continue;
    mkdirSync(join(out, 'expected'), { recursive: true });
    writeFileSync(expectedVolumePath(out, name), packed(image));
  }
  return volumes;
}

function unchangedVolumes(host: HostFolder): Record<string, { sha256: string }> {
  return Object.fromEntries(host.volumes.map(({ name, path }) => [name, { sha256: sha256Of(readFileSync(path)) }]));
}

function volumesFrom({ outcome, through }: Decision, writes: number, history: RecordedHistory): string {
  if (outcome === 'refuse') return 'A refusal changes nothing.';
  const at = through === null ? 'no data set is complete' : `data set ${through} ends with write ${writes}`;
  return `The history of what was written: ${at}, of ${history.writes.length} that were issued.`;
}

function packed(bytes: Uint8Array): Uint8Array {
  const file = gzipSync(bytes, { level: 9 });
  // The system that packed it, unknown: see fixture-folder.ts.
  file[9] = 255;
  return file;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function unlike(found: string): FarshoreError {
  return new FarshoreError('ERR_FIXTURE_HISTORY', `the recording contradicts its history: ${found}`, {
    hint: 'this is a fault of the recorder or of the host; keep the lines above and report it',
  });
}
