/** All recipes of the library. */
import type { Recipe } from './recipe.ts';
import { CRASH_RECIPES } from './recipes-crashes.ts';
import { DAMAGE_RECIPES } from './recipes-damage.ts';
import { MISTAKE_RECIPES } from './recipes-mistakes.ts';
import { PEER_RECIPES } from './recipes-peer.ts';
import { PROMOTION_RECIPES } from './recipes-promotion.ts';
import { STREAM_RECIPES } from './recipes-streams.ts';

export const RECIPES: readonly Recipe[] = [
  ...CRASH_RECIPES,
  ...PROMOTION_RECIPES,
  ...DAMAGE_RECIPES,
  ...MISTAKE_RECIPES,
  ...STREAM_RECIPES,
  ...PEER_RECIPES,
];
