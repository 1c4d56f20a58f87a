/** Fixtures of a host that was killed in its promotion, one for each step that can be killed: no byte was changed afterwards. */
import type { Expectation, Recipe, Scene, Story } from './recipe.ts';

/** Recorded in mid-load: two data sets are complete and held, a third one is partial; then the primary is lost. */
const BEFORE_DESTAGE: Expectation = { refuses: null, through: 2, above: { 1: 'replay', 2: 'replay', 3: 'give up: partial' } };
const AFTER_DESTAGE: Expectation = { refuses: null, through: 0, above: { 1: 'give up: partial' } };
const AFTER_DISCARD: Expectation = { refuses: null, through: 0, above: {} };

const AGAIN = 'Gives the promotion again: `farshore promote`.';
const FINISH = 'Starts the host again: the start finishes the promotion before it serves. `farshore promote` does the same.';

const BEFORE_TEXT = ({ at }: Scene): string => `data sets ${at(1)} and ${at(2)} are whole and flagged, ${at(3)} is partial`;
const BEFORE_DECISION = 'replay, replay, and give up: partial: what is complete is kept, and nothing more will come of the rest.';
const lostPartial = ({ at }: Scene, above: number): string => `Data set ${at(above)}, which was never complete; the promotion prints it.`;

interface Step {
  readonly name: string;
  readonly crashPoint: string;
  readonly expected: Expectation;
  readonly proves: string;
  readonly story: (scene: Scene) => Story;
}

const STEPS: readonly Step[] = [
  {
    name: 'killed-during-promotion-step-1',
    crashPoint: 'promotion-step-1',
    expected: BEFORE_DESTAGE,
    proves: 'before step 2 nothing of a promotion is durable',
    story: (scene) => [
      'Promotion, step 1 (refuse links): killed when the links were refused and nothing was written yet.',
      `The state says secondary, active; ${BEFORE_TEXT(scene)}.`,
      BEFORE_DECISION,
      lostPartial(scene, 3),
      AGAIN,
    ],
  },
  {
    name: 'killed-during-promotion-step-2',
    crashPoint: 'promotion-step-2',
    expected: BEFORE_DESTAGE,
    proves: 'a state that was not renamed does not count',
    story: (scene) => [
      'Promotion, step 2 (write promoting): killed when the new state was written, and not yet renamed over the old one.',
      `host-state.json says secondary, active; host-state.json.new beside it says promoting; ${BEFORE_TEXT(scene)}.`,
      BEFORE_DECISION,
      lostPartial(scene, 3),
      AGAIN,
    ],
  },
  {
    name: 'killed-after-promotion-step-2',
    crashPoint: 'promotion-recorded',
    expected: BEFORE_DESTAGE,
    proves: 'a start finishes a promotion that is recorded',
    story: (scene) => [
      'Promotion, between steps 2 and 3: killed when the state said promoting, before anything was destaged.',
      `The state says promoting, with the new generation; ${BEFORE_TEXT(scene)}.`,
      BEFORE_DECISION,
      lostPartial(scene, 3),
      FINISH,
    ],
  },
  {
    name: 'killed-during-promotion-step-3',
    crashPoint: 'promotion-step-3',
    expected: BEFORE_DESTAGE,
    proves: 'the destage of a promotion is replayed like any other',
    story: (scene) => [
      'Promotion, step 3 (destage): killed when two records were in the volumes.',
      `The state says promoting; the volumes are mixed; ${BEFORE_TEXT(scene)}.`,
      BEFORE_DECISION,
      lostPartial(scene, 3),
      FINISH,
    ],
  },
  {
    name: 'killed-before-promotion-step-4',
    crashPoint: 'promotion-discard-before',
    expected: AFTER_DESTAGE,
    proves: 'what was promised is found again in the watermark',
    story: (scene) => [
      'Promotion, between steps 3 and 4: killed when everything complete was destaged, before the rest was discarded.',
      `The state says promoting; the watermark says ${scene.at(0)}; data set ${scene.at(1)} is partial.`,
      'give up: partial.',
      lostPartial(scene, 1),
      FINISH,
    ],
  },
  {
    name: 'killed-during-promotion-step-4',
    crashPoint: 'promotion-step-4',
    expected: AFTER_DESTAGE,
    proves: 'a slot that is half discarded is legal',
    story: (scene) => [
      'Promotion, step 4 (discard): killed between the three writes that empty a slot.',
      `The state says promoting; the header still names data set ${scene.at(1)}, its flag and first record are zeroes.`,
      'give up: partial: the discard is done again, wholly.',
      lostPartial(scene, 1),
      FINISH,
    ],
  },
  {
    name: 'killed-during-promotion-step-5',
    crashPoint: 'promotion-step-5',
    expected: AFTER_DISCARD,
    proves: 'a promotion that lacks only its last word is finished',
    story: (scene) => [
      'Promotion, step 5 (write promoted): killed when the new state was written, and not yet renamed over the old one.',
      `host-state.json says promoting; everything is destaged through data set ${scene.at(0)}, the partial data set is discarded.`,
      'at or below the watermark, free: nothing is left but the state.',
      'A data set that was never complete, discarded before the crash.',
      FINISH,
    ],
  },
  {
    name: 'killed-during-promotion-step-6',
    crashPoint: 'promotion-step-6',
    expected: { refuses: null, through: 0, above: null },
    proves: 'a promoted host does not look at its journals',
    story: (scene) => [
      'Promotion, step 6 (serve): killed before the first client was served.',
      `The state says promoted, kept through data set ${scene.at(0)}, with a new stream.`,
      'Nothing: the volumes are what is served, and the journals are of a history that is over.',
      'A data set that was never complete, discarded before the crash.',
      'Starts the host again: it serves.',
    ],
  },
];

export const PROMOTION_RECIPES: readonly Recipe[] = STEPS.map((step) => ({ ...step, slots: 4 }));
