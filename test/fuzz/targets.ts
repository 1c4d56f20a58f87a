/** Every fuzz target. */
import { blocksTarget } from './blocks-target.ts';
import { configTarget } from './config-target.ts';
import { journalTarget, sealedJournalTarget } from './journal-target.ts';
import { linkServerTarget } from './link-server-target.ts';
import { messageTarget } from './message-target.ts';
import { nbdTarget } from './nbd-target.ts';
import { peerTarget } from './peer-target.ts';
import { primaryTarget } from './primary-target.ts';
import { recordTarget } from './record-target.ts';
import { recoveryTarget } from './recovery-target.ts';
import { secondaryTarget } from './secondary-target.ts';
import { stateTarget } from './state-target.ts';
import type { Target } from './target.ts';
import { writeBackTarget } from './write-back-target.ts';

export const TARGETS: readonly Target[] = [
  recordTarget,
  messageTarget,
  blocksTarget,
  journalTarget,
  sealedJournalTarget,
  stateTarget,
  recoveryTarget,
  secondaryTarget,
  primaryTarget,
  peerTarget,
  writeBackTarget,
  linkServerTarget,
  nbdTarget,
  configTarget,
];
