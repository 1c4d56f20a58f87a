/**
 * The JSON of a crash-replay fixture: `fixture.json` says what the folder is, `expected.json` what recovery has to make of it.
 *
 * A fixture is frozen for its format version: a reader of version 1 reads every fixture of version 1 that was ever made.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, FarshoreError, messageOf, type ErrorCode, type ExitCode } from '../model/errors.ts';
import type { DataSetId, VolumeEntry } from '../model/ids.ts';
import type { RecoveryAction } from '../protocol/recovery-decision.ts';

export const FIXTURE_FORMAT_VERSION = 1;
export const MANIFEST_FILE = 'fixture.json';
export const EXPECTED_FILE = 'expected.json';

export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * How much of a volume is in the folder. `whole`: its image is `crash/volumes/<name>.img.gz`. `ranges`: only these, one after another, in
 * `crash/volumes/<name>.ranges.gz`; the rest is taken as zeroes. `none`: nothing.
 */
export type VolumeContent =
  | { readonly content: 'whole' }
  | { readonly content: 'ranges'; readonly ranges: readonly ByteRange[] }
  | { readonly content: 'none' };

export type FixtureVolume = VolumeEntry & VolumeContent;

export interface FixtureManifest {
  readonly formatVersion: typeof FIXTURE_FORMAT_VERSION;
  /** The diagnosis, kebab-case. */
  readonly name: string;
  /** What the operator does after the crash: start the host again, or promote it. */
  readonly recover: 'start' | 'promote';
  readonly group: { readonly name: string };
  readonly volumes: readonly FixtureVolume[];
  readonly journals: { readonly slots: number; readonly slotBytes: number };
  /** The region of the secondary's peer lies beside, `crash/nvram.gz`: what it holds is added after the journals were recovered. */
  readonly nvram?: { readonly sizeBytes: number };
  readonly madeBy: {
    /** The command line, or what was done by hand. */
    readonly recipe: string;
    readonly farshore: string;
    readonly node: string;
    readonly crashPoint: string | null;
    /** Edits that were made to the files after the crash, in order. */
    readonly damage: readonly string[];
  };
  /** Payloads and volumes were replaced; `replaced.json` explains every checksum. */
  readonly withoutData: boolean;
}

/** Recovery's decision for one journal; see JournalDecision. */
export interface ExpectedJournal {
  readonly slot: number;
  readonly dataSet: DataSetId | null;
  readonly label: string;
  readonly action: RecoveryAction;
}

/** What becomes of the records that a peer's region holds, once the journals are recovered. */
export interface ExpectedAdoption {
  /** Null: they are taken. */
  readonly error: { readonly code: ErrorCode; readonly exitCode: ExitCode } | null;
  /** Records that can be read in the region. */
  readonly records: number;
  /** Those among them that no journal has and no watermark covers; null: they are refused. */
  readonly added: number | null;
  /** Data set that the copy is at then; null: at none, or they are refused. */
  readonly through: DataSetId | null;
}

export interface FixtureExpected {
  readonly outcome: 'recover' | 'refuse';
  readonly error: { readonly code: ErrorCode; readonly exitCode: ExitCode } | null;
  /** In the order of the slots; empty when recovery never gets to look at the journals. */
  readonly journals: readonly ExpectedJournal[];
  /** Data set that the copy is at after recovery; null: at none, or nobody can tell. */
  readonly through: DataSetId | null;
  readonly watermarkBefore: DataSetId | null;
  /** With a region; all above is then said of the journals alone. */
  readonly withRegion?: ExpectedAdoption;
  /** By name, after recovery; unchanged after a refusal. Null: not known, the volume is not wholly in the folder. */
  readonly volumes: Readonly<Record<string, { readonly sha256: string } | null>>;
  /** One sentence on where the expected volumes come from. */
  readonly volumesFrom: string;
}

/** @throws FarshoreError ERR_FIXTURE_INVALID, ERR_FIXTURE_MISSING */
export function readManifest(directory: string): FixtureManifest {
  const path = join(directory, MANIFEST_FILE);
  const value = readJson(path);
  if (value.formatVersion !== FIXTURE_FORMAT_VERSION)
    throw invalid(path, `format version ${String(value.formatVersion)}, expected ${FIXTURE_FORMAT_VERSION}`);
  const manifest = value as unknown as FixtureManifest;
  const { slots, slotBytes } = manifest.journals ?? {};
  if (!Number.isSafeInteger(slots) || !Number.isSafeInteger(slotBytes)) throw invalid(path, 'no journals: { slots, slotBytes }');
  if (manifest.recover !== 'start' && manifest.recover !== 'promote') throw invalid(path, `recover ${String(manifest.recover)}`);
  if (manifest.nvram !== undefined && !Number.isSafeInteger(manifest.nvram.sizeBytes)) throw invalid(path, 'nvram without sizeBytes');
  if (!Array.isArray(manifest.volumes)) throw invalid(path, 'no volumes');
  for (const volume of manifest.volumes) {
    // The name becomes a file's name.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(String(volume.name))) throw invalid(path, `a volume named ${JSON.stringify(volume.name)}`);
    if (!Number.isSafeInteger(volume.sizeBytes) || !['whole', 'ranges', 'none'].includes(volume.content))
      throw invalid(path, `volume ${volume.name} without sizeBytes or content`);
  }
  return manifest;
}

/** @throws FarshoreError ERR_FIXTURE_INVALID, ERR_FIXTURE_MISSING */
export function readExpected(directory: string): FixtureExpected {
  const path = join(directory, EXPECTED_FILE);
  const value = readJson(path);
  if (value.outcome !== 'recover' && value.outcome !== 'refuse') throw invalid(path, `outcome ${String(value.outcome)}`);
  if (!Array.isArray(value.journals) || typeof value.volumes !== 'object' || value.volumes === null)
    throw invalid(path, 'no journals or volumes');
  return value as unknown as FixtureExpected;
}

export function writeManifest(directory: string, manifest: FixtureManifest): void {
  writeJson(join(directory, MANIFEST_FILE), manifest);
}

export function writeExpected(directory: string, expected: FixtureExpected): void {
  writeJson(join(directory, EXPECTED_FILE), expected);
}

export function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The error of a folder that is no fixture, or a damaged one. */
export function invalid(path: string, found: string, cause?: unknown): FarshoreError {
  return new FarshoreError('ERR_FIXTURE_INVALID', `${path} is not what a fixture has: ${found}`, {
    cause,
    hint: 'copy the whole folder again; "farshore fixture record" makes a new one',
    details: { path },
  });
}

function readJson(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const absent = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
    throw new FarshoreError('ERR_FIXTURE_MISSING', `${path} ${absent ? 'is not there' : `cannot be read: ${messageOf(error)}`}`, {
      cause: error,
      hint: 'give the folder of one fixture (it holds fixture.json), or a folder of such folders',
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw invalid(path, `no JSON (${messageOf(error)})`, error);
  }
  throw invalid(path, 'JSON, but no object');
}
