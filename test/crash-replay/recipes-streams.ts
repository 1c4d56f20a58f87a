/** Fixtures whose state, watermark and journals are of different streams or generations, after a real crash. */
import { BLOCK_BYTES, MARK_OFFSET } from '../../journals/format.ts';
import { editHeader, editHostState, editWatermark, flipBit, zeroRange, type DamageNote } from '../../src/crash-replay/damage/damage.ts';
import { SYNC_RECORD_BYTES } from '../../src/record/record.ts';
import { STATE_FILE, WATERMARK_FILE, type Recipe, type Scene } from './recipe.ts';

const MID_LOAD = { crashPoint: 'complete-and-partial', slots: 4 } as const;
const NOTHING_CHANGED = 'Nothing by the refusal: it changes no byte.';
const PUT_BACK = 'Puts back what belongs together: state folder, journals and volumes of one host and one moment. Never one of them alone.';
const OTHER_STREAM = 'feedfacecafebeef';

export const STREAM_RECIPES: readonly Recipe[] = [
  {
    ...MID_LOAD,
    name: 'older-state-than-journals',
    damage: (scene) => [editHeader(scene.files, { file: scene.file(2), change: { generation: 2, stream: OTHER_STREAM } })],
    expected: {
      refuses: { code: 'ERR_RECOVERY_UNKNOWN_STREAM', exitCode: 5 },
      through: null,
      above: { 1: 'replay', 2: 'unknown stream', 3: 'keep partial' },
    },
    proves: 'a journal of a generation that the state does not know is refused',
    story: (scene) => [
      'After a crash in mid-load the state folder was restored from a backup made before a promotion.',
      `The header of ${scene.file(2)} is of generation 2; the state knows generation 1.`,
      'unknown stream: this host had agreed to a stream that its state no longer knows.',
      NOTHING_CHANGED,
      PUT_BACK,
    ],
  },
  {
    ...MID_LOAD,
    name: 'old-generation',
    damage: (scene) => newerGeneration(scene),
    expected: {
      refuses: { code: 'ERR_RECOVERY_OLDER_STREAM_FLAGGED', exitCode: 5 },
      through: null,
      above: { 1: 'older stream, flagged', 2: 'older stream, flagged', 3: 'older stream' },
    },
    proves: 'complete data sets of an older generation are not thrown away silently',
    story: (scene) => [
      'This host agreed to a second generation although data sets of the first one were complete here and not destaged. No host of this version does that: state and watermark were edited.',
      `The state says generation 2, which goes on after data set ${scene.at(0)}; data sets ${scene.at(1)} and ${scene.at(2)} of generation 1 are whole and flagged.`,
      'older stream, flagged: a flagged data set is replayed, or the host refuses; nothing skips it (I3).',
      NOTHING_CHANGED,
      'Reports it with this folder. Which of the two histories counts is for a person to say.',
    ],
  },
  {
    crashPoint: 'journal-second-commit-after',
    slots: 3,
    name: 'older-stream-partial',
    damage: (scene) => [
      editHostState(scene.files, { file: STATE_FILE, change: { stream: OTHER_STREAM } }),
      editWatermark(scene.files, { file: WATERMARK_FILE, block: scene.newestBlock, change: { stream: OTHER_STREAM } }),
    ],
    expected: { refuses: null, through: 0, above: { 1: 'older stream' } },
    proves: 'partial data sets of a replaced stream are discarded',
    story: (scene) => [
      'The primary began a new stream, and this host agreed to it durably, before it emptied the slot of a partial data set. No host of this version does that: state and watermark were edited.',
      `The state says another stream than the header of ${scene.file(1)}, whose data set ${scene.at(1)} is partial.`,
      'older stream: discarded, because nothing more of it will come, and the new stream numbers on.',
      'Nothing: what the primary had not seen complete it sends again in the new stream.',
      'Starts the host again: `farshore start`.',
    ],
  },
  {
    crashPoint: 'journal-second-commit-after',
    slots: 3,
    name: 'older-stream-flag-unreadable',
    damage: (scene) => [
      editHostState(scene.files, { file: STATE_FILE, change: { stream: OTHER_STREAM } }),
      editWatermark(scene.files, { file: WATERMARK_FILE, block: scene.newestBlock, change: { stream: OTHER_STREAM } }),
      flipBit(scene.files, { file: scene.file(1), place: { kind: 'mark', field: 'dataSet' }, bit: 6 }),
    ],
    expected: {
      refuses: { code: 'ERR_RECOVERY_FLAG_UNREADABLE', exitCode: 5 },
      through: null,
      above: { 1: 'older stream, flag unreadable' },
    },
    proves: 'a discard needs the certainty that there was no flag',
    story: (scene) => [
      'As older-stream-partial; then the disk gave back one wrong bit in the block of the complete flag.',
      `The flag's block in ${scene.file(1)} is neither zeroes nor a flag.`,
      `older stream, flag unreadable: data set ${scene.at(1)} may have been complete, and then nothing may skip it (I3).`,
      NOTHING_CHANGED,
      'Reports it with this folder. Which of the two histories counts is for a person to say.',
    ],
  },
  {
    crashPoint: 'promotion-recorded',
    slots: 4,
    name: 'promotion-lost-its-prefix',
    damage: (scene) => {
      const { offset } = scene.records(2).at(-1) ?? { offset: 0 };
      return [
        zeroRange(scene.files, { file: scene.file(1), offset: MARK_OFFSET, lengthBytes: BLOCK_BYTES }),
        zeroRange(scene.files, { file: scene.file(2), offset: MARK_OFFSET, lengthBytes: BLOCK_BYTES }),
        zeroRange(scene.files, { file: scene.file(2), offset, lengthBytes: SYNC_RECORD_BYTES }),
      ];
    },
    expected: {
      refuses: { code: 'ERR_PROMOTION_LOST_PREFIX', exitCode: 5 },
      through: null,
      above: { 1: 'flag and replay', 2: 'give up: partial', 3: 'give up: partial' },
    },
    proves: 'an interrupted promotion serves what it promised, or nothing',
    story: (scene) => [
      'The secondary was killed in its promotion, and before the next start two journals were restored from an older moment.',
      `The state says promoting, kept through data set ${scene.at(2)}; data set ${scene.at(1)} is whole and lost its flag, of ${scene.at(2)} flag and sync command are gone.`,
      `Refused with ERR_PROMOTION_LOST_PREFIX: the rows alone would give data set ${scene.at(2)} up as partial, but the new generation was recorded behind it.`,
      `Data set ${scene.at(2)}, by the restore, unless the right file is found. The refusal itself changes no byte.`,
      PUT_BACK,
    ],
  },
];

/** State and watermark as after a promotion elsewhere that this host agreed to. */
function newerGeneration(scene: Scene): DamageNote[] {
  const { point, state } = scene;
  const second = {
    number: 2,
    id: 'a5a5a5a5a5a5a5a5',
    afterDataSet: point.dataSet,
    afterSequence: point.finalSequence,
    chain: point.chain,
    firstDataSet: point.dataSet + 1,
    firstSequence: point.finalSequence + 1,
  };
  return [
    editHostState(scene.files, { file: STATE_FILE, change: { generations: [...state.generations, second], stream: OTHER_STREAM } }),
    editWatermark(scene.files, {
      file: WATERMARK_FILE,
      block: scene.newestBlock,
      change: { generation: 2, stream: OTHER_STREAM },
    }),
  ];
}
