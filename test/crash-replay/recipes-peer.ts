/** Fixtures of crashes in write-back: what only the peer's region holds, and a region that contradicts the journals. */
import { refillHeldWrite } from '../../src/crash-replay/damage/damage-region.ts';
import type { Recipe, Scene } from './recipe.ts';

const REGION_FILE = 'nvram';
/** Slots enough that nothing waits for the window. */
const SLOTS = 4;

/** The first write of the data set above the watermark that its journal has. */
function firstJournaled({ records }: Scene): number {
  return records(1).find(({ type }) => type === 'write')?.sequence ?? -1;
}

export const PEER_RECIPES: readonly Recipe[] = [
  {
    crashPoint: 'nvram-only',
    slots: SLOTS,
    name: 'nvram-only-record',
    expected: { refuses: null, through: 0, above: {}, withRegion: { refuses: null, through: 1 } },
    proves: 'what was acknowledged on the word of the peer alone comes back from its region',
    story: ({ at }) => [
      `The secondary was killed before the first commit of data set ${at(1)} was written. Its peer held the records already, and they were acknowledged.`,
      `The journals have nothing above the watermark, which says ${at(0)}. The peer's region holds the whole data set ${at(1)}, and what came behind it.`,
      `Nothing to do for the journals. A restart that fetches from the peer, or a takeover, adds data set ${at(1)} and what is behind it; what is complete is destaged.`,
      'Nothing. Without the region, or with one that was lost, everything that the primary has forgotten: the handshake tells.',
      'Starts the secondary while the peer runs: it waits for the peer and fetches. Or, if the host is gone for good: `farshore takeover` on the peer.',
    ],
  },
  {
    crashPoint: 'nvram-and-journal',
    slots: SLOTS,
    name: 'nvram-and-journal-agree',
    expected: { refuses: null, through: 0, above: { 1: 'keep partial' }, withRegion: { refuses: null, through: 1 } },
    proves: 'a record that journal and region both hold counts once',
    story: ({ at, records }) => [
      `The secondary was killed when the first commit of data set ${at(1)} was durable, before the peer was told that it may release those records.`,
      `Data set ${at(1)} is partial in its journal, with ${records(1).length} of its records. The region holds all of them, these too.`,
      'keep partial; with the region everything is there, what both have is the same, and the data set is complete.',
      'Nothing.',
      'Starts the secondary while the peer runs, or takes over.',
    ],
  },
  {
    crashPoint: 'nvram-and-journal',
    slots: SLOTS,
    name: 'nvram-and-journal-differ',
    damage: (scene) => [refillHeldWrite(scene.files, { file: REGION_FILE, sequence: firstJournaled(scene), fill: 0xd1 })],
    expected: {
      refuses: null,
      through: 0,
      above: { 1: 'keep partial' },
      withRegion: { refuses: { code: 'ERR_PEER_CONTRADICTION', exitCode: 5 }, through: null },
    },
    proves: 'two histories under one number are never mixed: the region is refused, and no byte of it reaches a volume',
    story: (scene) => [
      `After the crash of nvram-and-journal-agree the peer's region was not the one of that moment: record ${firstJournaled(scene)} has other data, and every checksum is right.`,
      `Data set ${scene.at(1)} is partial in its journal; journal and region both have record ${firstJournaled(scene)}, with different bytes.`,
      'keep partial for the journal; the region is refused as a whole: one of both is another history, and nobody here can tell which.',
      'Nothing by the refusal: the copy stays at its last complete data set.',
      'Compares with `farshore nvram show` and `farshore journal show`, finds out which host was restored from an older copy, and takes that one away.',
    ],
  },
];
