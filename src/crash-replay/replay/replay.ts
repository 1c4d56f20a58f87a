/**
 * Replay one crash-replay fixture: let production code recover a copy of what the crash left, and compare with what is expected.
 *
 * 1 **lay out** the crash in a temporary folder; 2 **decide**: what recovery would do with each journal, and whether `journal ls`
 * says the same, which changes no byte; 3 **recover** with the real start or promotion, on the real disk, and add what the region of a
 * peer holds where there is one; 4 **compare** the volumes;
 * 5 **do it again**: nothing is left to do, and not one byte of the host changes.
 *
 * A refusal leaves every byte as it was. Where the volumes are not wholly in the folder, only the decisions are compared.
 */
import { readdirSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import type { Disk } from '../../disk/disk.ts';
import { NodeDisk } from '../../disk/node-disk.ts';
import { BrokenInvariant } from '../../model/assert.ts';
import { FarshoreError } from '../../model/errors.ts';
import { readHostState, type HostState } from '../../state/host-state.ts';
import { decideRecovery } from './decide-recovery.ts';
import { differencesOf, differ, type Difference, type FoundDecision } from './replay-differences.ts';
import { readExpected, readManifest, type ExpectedAdoption, type FixtureExpected, type FixtureManifest } from '../fixture-files.ts';
import { sha256OfFile, unpackCrash, type HostFolder } from '../fixture-folder.ts';
import { predictedOtherwise } from './replay-prediction.ts';
import { runRecovery, type RecoveryRun } from './run-recovery.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { withoutPoint } from '../write-fixture.ts';

export interface ReplayReport {
  /** Name of the fault; the folder's name if that cannot be read. */
  readonly fixture: string;
  readonly directory: string;
  readonly recover: FixtureManifest['recover'] | null;
  /** What recovery decided, as it was found. */
  readonly found: FoundDecision | null;
  /**
   * `equal` to what is expected, `unchanged` by a refusal, or `wrong`. `unknown`: recovered, and nobody knows what they should be.
   * `not there`: not wholly in the folder, so only the decisions were compared.
   */
  readonly volumes: 'equal' | 'unchanged' | 'wrong' | 'unknown' | 'not there';
  /** Where found and expected differ; empty if the fixture passes. */
  readonly differences: readonly Difference[];
  readonly passed: boolean;
}

/** Replay fixtures one after another. */
export async function replayFixtures(directories: readonly string[], replayed: (report: ReplayReport) => void): Promise<ReplayReport[]> {
  const reports: ReplayReport[] = [];
  for (const directory of directories) {
    const report = await replayFixture(directory);
    reports.push(report);
    replayed(report);
  }
  return reports;
}

/** Replay a fixture's folder. Nothing in it is changed; what is wrong with it is a difference like any other. */
export async function replayFixture(directory: string): Promise<ReplayReport> {
  try {
    const manifest = readManifest(directory);
    const expected = readExpected(directory);
    return await withTemporaryFolder(async (temporary) => {
      const host = await unpackCrash(directory, temporary);
      return new Replay({ directory, manifest, expected, host, temporary }).run();
    });
  } catch (error) {
    return brokenOff(directory, error);
  }
}

/** What ended a replay is its finding; anything but an operating error or a broken invariant is a fault of the replay itself. */
function brokenOff(directory: string, error: unknown): ReplayReport {
  const isBroken = error instanceof BrokenInvariant;
  if (!isBroken && !(error instanceof FarshoreError)) throw error;
  const difference = {
    what: isBroken ? 'the recovery' : 'the fixture',
    expected: isBroken ? 'no broken invariant' : 'a folder that can be replayed',
    found: `${error.code}: ${error.message}`,
  };
  const fixture = basename(resolve(directory));
  return { fixture, directory, recover: null, found: null, volumes: 'not there', differences: [difference], passed: false };
}

interface ReplayOptions {
  readonly directory: string;
  readonly manifest: FixtureManifest;
  readonly expected: FixtureExpected;
  readonly host: HostFolder;
  readonly temporary: string;
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #disk: Disk = new NodeDisk();
  readonly #differences: Difference[] = [];
  /** All volumes are wholly there. */
  readonly #hasVolumes: boolean;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#hasVolumes = options.manifest.volumes.every(({ content }) => content === 'whole');
  }

  async run(): Promise<ReplayReport> {
    const { directory, manifest, expected } = this.#options;
    const crash = await this.#hashes();
    const found = await this.#decide();
    this.#add(differencesOf(expected, found));
    this.#add(await predictedOtherwise({ disk: this.#disk, host: this.#options.host, recover: manifest.recover, found }));
    this.#same('the files after the decisions', crash, await this.#hashes());
    const { volumes, adoption } = this.#hasVolumes ? await this.#recover(crash) : { volumes: 'not there' as const, adoption: null };
    const differences = this.#differences;
    return {
      fixture: manifest.name,
      directory,
      recover: manifest.recover,
      found: adoption === null ? found : { ...found, withRegion: adoption },
      volumes,
      differences,
      passed: differences.length === 0,
    };
  }

  async #decide(): Promise<FoundDecision> {
    const { host, manifest } = this.#options;
    return withoutPoint(await decideRecovery({ disk: this.#disk, host, recover: manifest.recover }));
  }

  async #recover(crash: Hashes): Promise<{ volumes: ReplayReport['volumes']; adoption: ExpectedAdoption | null }> {
    const { expected, host, manifest } = this.#options;
    const first = await runRecovery({ disk: this.#disk, host, manifest });
    const after = await this.#hashes();
    this.#compareRun('the recovery', first);
    // A refusal by what the region holds comes after the journals were recovered: what they say alone is done.
    if (first.error !== null && expected.withRegion === undefined) this.#same('the files after the refusal', crash, after);
    const volumes = this.#compareVolumes(after);
    const again = await runRecovery({ disk: this.#disk, host, manifest });
    const afterAgain = await this.#hashes();
    this.#compareRun('the second recovery', again);
    this.#same('the files after the second recovery', after, afterAgain);
    if (first.error === null) await this.#nothingIsLeft();
    const refuses = (expected.withRegion ?? expected).error !== null;
    return { volumes: refuses && volumes !== 'wrong' ? 'unchanged' : volumes, adoption: adoptionIn(first, expected) };
  }

  #compareRun(what: string, { error, through, adopted }: RecoveryRun): void {
    const { withRegion } = this.#options.expected;
    const expected = withRegion ?? this.#options.expected;
    // The second run finds in its journals what the first one added.
    const added = what === 'the recovery' ? withRegion?.added : 0;
    if (withRegion !== undefined && error === null) {
      this.#add(differ(`${what}: records that the region holds`, withRegion.records, adopted?.records ?? null));
      this.#add(differ(`${what}: records that it adds`, added ?? null, adopted?.added ?? null));
    }
    if (error?.code !== expected.error?.code || error?.exitCode !== expected.error?.exitCode) {
      const wanted = expected.error === null ? 'it recovers' : `${expected.error.code} (exit ${expected.error.exitCode})`;
      const found = error === null ? 'it recovers' : `${error.code} (exit ${error.exitCode}): ${error.message}`;
      this.#add([{ what, expected: wanted, found }]);
    } else if (error === null) {
      // A promoted host has no journals any more: its state says which data set it kept.
      const state = this.#state();
      const point = state.condition === 'promoted' ? (state.divergedFrom?.dataSet ?? null) : through;
      this.#add(differ(`${what}: data set of the copy`, expected.through, point));
    }
  }

  #compareVolumes(found: Hashes): 'equal' | 'wrong' | 'unknown' {
    const { expected, host, temporary } = this.#options;
    const known = host.volumes.filter(({ name }) => expected.volumes[name] != null);
    const wrong = known.flatMap(({ name, path }) =>
      differ(`volume ${name}, SHA-256`, expected.volumes[name]?.sha256 ?? null, found.get(relative(temporary, path)) ?? null),
    );
    this.#add(wrong);
    if (wrong.length > 0) return 'wrong';
    return known.length === host.volumes.length ? 'equal' : 'unknown';
  }

  /** A recovery that is over leaves a host for which a further one only keeps what waits for the primary. */
  async #nothingIsLeft(): Promise<void> {
    if (this.#state().condition === 'promoted') return;
    const { journals } = await this.#decide();
    for (const { slot, dataSet, action, label } of journals)
      if (action !== 'done already' && action !== 'keep partial' && action !== 'keep complete')
        this.#add([{ what: `slot ${slot} after the recovery`, expected: 'nothing left to do', found: `data set ${dataSet}: ${label}` }]);
  }

  #state(): HostState {
    return readHostState(this.#disk, this.#options.host.stateDirectory);
  }

  #add(differences: readonly Difference[]): void {
    this.#differences.push(...differences);
  }

  #same(what: string, before: Hashes, after: Hashes): void {
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
    if (changed.length > 0) this.#add([{ what, expected: 'not one byte changed', found: `changed: ${changed.join(', ')}` }]);
  }

  async #hashes(): Promise<Hashes> {
    const { temporary } = this.#options;
    const hashes = new Map<string, string>();
    for (const entry of readdirSync(temporary, { recursive: true, withFileTypes: true })) {
      // Locks are held on empty files, which stay.
      if (!entry.isFile() || entry.name === 'lock') continue;
      const path = join(entry.parentPath, entry.name);
      hashes.set(relative(temporary, path), await sha256OfFile(path));
    }
    return hashes;
  }
}

/** What a recovery did with a region; null: there is none, or it never came so far. */
function adoptionIn({ error, adopted, through }: RecoveryRun, { withRegion }: FixtureExpected): ExpectedAdoption | null {
  if (withRegion === undefined || (error === null && adopted === null)) return null;
  if (error === null && adopted !== null) return { error: null, ...adopted, through };
  return { error: error as ExpectedAdoption['error'], records: withRegion.records, added: null, through: null };
}

/** SHA-256 by path below the temporary folder. */
type Hashes = ReadonlyMap<string, string>;
