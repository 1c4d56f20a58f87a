/** Every fuzz target. */
import { blocksTarget } from './blocks-target.ts';
import { configTarget } from './config-target.ts';
import { journalTarget, sealedJournalTarget } from './journal-target.ts';
import { messageTarget } from './message-target.ts';
import { nbdTarget } from './nbd-target.ts';
import { primaryTarget } from './primary-target.ts';
import { recordTarget } from './record-target.ts';
import { recoveryTarget } from './recovery-target.ts';
import { secondaryTarget } from './secondary-target.ts';
import type { Target } from './target.ts';

export const TARGETS: readonly Target[] = [
  recordTarget,
  messageTarget,
  blocksTarget,
  journalTarget,
  sealedJournalTarget,
  recoveryTarget,
  secondaryTarget,
  primaryTarget,
  nbdTarget,
  configTarget,
];
