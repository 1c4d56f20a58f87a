/** Write one fixture of the library: what was recorded, damaged; what the recipe says that recovery decides; the volumes of the history. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Decision } from '../../src/crash-replay/replay/decide-recovery.ts';
import {
  writeExpected,
  writeManifest,
  type ExpectedAdoption,
  type FixtureExpected,
  type FixtureManifest,
} from '../../src/crash-replay/fixture-files.ts';
import {
  expectedVolumePath,
  hostFolderIn,
  packCrash,
  packFile,
  unpackCrash,
  type HostFolder,
} from '../../src/crash-replay/fixture-folder.ts';
import { heldByPeer } from '../../src/crash-replay/held-by-peer.ts';
import { onRegionCopy } from '../../src/crash-replay/replay/region-copy.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import type { RecordedHistory } from '../../src/crash-replay/record/recorded-history.ts';
import { decideOnCopy, withoutPoint } from '../../src/crash-replay/write-fixture.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import type { DamageNote } from '../../src/crash-replay/damage/damage.ts';
import type { Recipe, Scene, Story } from './recipe.ts';

export interface LibraryFixtureOptions {
  readonly recipe: Recipe;
  readonly scene: Scene;
  readonly history: RecordedHistory;
  /** Manifest of the recording. */
  readonly recorded: FixtureManifest;
  readonly recordedFolder: string;
  readonly out: string;
}

/** @throws Error when production code decides otherwise than the recipe says */
export async function writeLibraryFixture(options: LibraryFixtureOptions): Promise<void> {
  const { recipe, scene, recorded, out } = options;
  // Told of what was recorded: afterwards some of it can no longer be read.
  const story = recipe.story(scene);
  const notes = recipe.damage?.(scene) ?? [];
  const manifest: FixtureManifest = {
    ...recorded,
    name: recipe.name,
    recover: recipe.recover ?? recorded.recover,
    madeBy: { ...recorded.madeBy, damage: notes.map(({ file, words }) => `${file}: ${words}`) },
  };
  mkdirSync(out, { recursive: true });
  writeManifest(out, manifest);
  const folder = mkdtempSync(join(tmpdir(), 'farshore-library-'));
  try {
    const host = await layOut(options, folder);
    await packCrash(out, host, manifest.volumes);
    const decision = await decideOnCopy(out, manifest.recover);
    checkDecision(recipe, scene, decision);
    const adoption = await adoptionOf(options, host, decision);
    const copy: Copy = { outcome: decision.outcome, point: adoption === null ? decision.throughPoint : adoption.point };
    const volumes = await writeVolumes(options, host, copy);
    const expected = { ...withoutPoint(decision), ...(adoption === null ? {} : { withRegion: adoption.expected }) };
    writeExpected(out, { ...expected, volumes, volumesFrom: sourceOf(options, copy) });
    writeFileSync(join(out, 'README.md'), readmeOf(manifest, story, notes));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The recorded host with the damaged files in place of its own. */
async function layOut({ recordedFolder, recorded, scene }: LibraryFixtureOptions, folder: string): Promise<HostFolder> {
  await unpackCrash(recordedFolder, folder);
  const host = hostFolderIn(folder, recorded);
  rmSync(host.stateDirectory, { recursive: true });
  for (const [path, bytes] of scene.files) {
    mkdirSync(dirname(join(host.stateDirectory, path)), { recursive: true });
    writeFileSync(join(host.stateDirectory, path), bytes);
  }
  return host;
}

function checkDecision({ expected, name }: Recipe, scene: Scene, decision: Decision): void {
  const { refuses, through, above, slots } = expected;
  const found = {
    outcome: decision.outcome,
    code: decision.error?.code ?? null,
    exitCode: decision.error?.exitCode ?? null,
    through: decision.through,
    labels: Object.fromEntries(decision.journals.map(({ slot, label }) => [slot, label])),
  };
  const labels: Record<number, string> = { ...slots?.(scene) };
  for (const [distance, label] of Object.entries(above ?? {})) labels[scene.at(Number(distance)) % scene.slots] = label;
  for (const { slot, action, label } of decision.journals) if (action === 'done already') labels[slot] ??= label;
  const wanted = {
    outcome: refuses === null ? 'recover' : 'refuse',
    code: refuses?.code ?? null,
    exitCode: refuses?.exitCode ?? null,
    through: through === null ? null : scene.at(through),
    labels: above === null ? {} : labels,
  };
  const [shownWanted, shownFound] = [wanted, found].map((value) => JSON.stringify(value));
  if (shownWanted !== shownFound)
    throw new Error(`${name}: the recipe says\n  ${shownWanted}\nand production code decides\n  ${shownFound}`);
}

/** How many writes of the history are in the copy at this point: every data set has one sync command, every other number is a write. */
function writesThrough({ scene }: LibraryFixtureOptions, point: HistoryPoint | null): number {
  const first = scene.state.generations[0];
  if (point === null) return 0;
  return point.finalSequence - (first?.firstSequence ?? 0) - (point.dataSet - (first?.firstDataSet ?? 0));
}

/** Where the copy is when the recovery is over. */
interface Copy {
  readonly outcome: Decision['outcome'];
  readonly point: HistoryPoint | null;
}

/** What the recipe says of the region, with the numbers of the records themselves; null: there is none. */
async function adoptionOf(
  { recipe, scene }: LibraryFixtureOptions,
  host: HostFolder,
  { throughPoint }: Decision,
): Promise<{ readonly point: HistoryPoint | null; readonly expected: ExpectedAdoption } | null> {
  const wanted = recipe.expected.withRegion;
  return onRegionCopy(host, new NodeDisk(), async (region) => {
    if (region === null || wanted === undefined) return null;
    const { records, added, through } = heldByPeer(host, region, throughPoint);
    if (wanted.refuses !== null) return { point: throughPoint, expected: { error: wanted.refuses, records, added: null, through: null } };
    const least = scene.at(wanted.through ?? 0);
    if (through === null || through.dataSet < least)
      throw new Error(`${recipe.name}: with the region everything is complete through ${through?.dataSet}, not ${least} at least`);
    if (added === 0) throw new Error(`${recipe.name}: the region adds nothing`);
    return { point: through, expected: { error: null, records, added, through: through.dataSet } };
  });
}

async function writeVolumes(
  options: LibraryFixtureOptions,
  host: HostFolder,
  { outcome, point }: Copy,
): Promise<FixtureExpected['volumes']> {
  const { history, out } = options;
  const images = outcome === 'refuse' ? null : history.imagesAfter(writesThrough(options, point));
  const volumes: Record<string, { sha256: string }> = {};
  for (const { name, vlun, path } of host.volumes) {
    const crashed = readFileSync(path);
    const image = images?.get(vlun) ?? crashed;
    volumes[name] = { sha256: createHash('sha256').update(image).digest('hex') };
    if (crashed.equals(image)) continue;
    writeFileSync(path, image);
    mkdirSync(join(out, 'expected'), { recursive: true });
    await packFile(path, expectedVolumePath(out, name));
  }
  return volumes;
}

function sourceOf(options: LibraryFixtureOptions, { outcome, point }: Copy): string {
  if (outcome === 'refuse') return 'A refusal changes nothing.';
  const { history } = options;
  return `The history of what was written: data set ${point?.dataSet ?? null} ends with write ${writesThrough(options, point)}, of ${history.writes.length} that were issued.`;
}

function readmeOf({ name, madeBy }: FixtureManifest, story: Story, notes: readonly DamageNote[]): string {
  const [happened, disk, decision, lost, operator] = story;
  const damage = notes.map(({ file, words }) => `- \`${file}\`: ${words}`);
  return [
    `# ${name}`,
    '',
    `1. **What happened:** ${happened}`,
    `2. **On the disk:** ${disk}`,
    `3. **Recovery:** ${decision}`,
    `4. **Lost:** ${lost}`,
    `5. **The operator:** ${operator}`,
    '',
    `Recorded by \`${madeBy.recipe}\`${damage.length === 0 ? '; no byte was changed afterwards.' : ', then:'}`,
    ...(damage.length === 0 ? [] : ['', ...damage]),
    '',
  ].join('\n');
}
