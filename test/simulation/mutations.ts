/** All planted bugs, by the part of Farshore that they break. */
import type { Mutation } from '../support/mutation.ts';
import { AGREEMENT_MUTATIONS } from './agreement-mutations.ts';
import { JOURNAL_MUTATIONS } from './journal-mutations.ts';
import { PEER_MUTATIONS } from './peer-mutations.ts';
import { PRIMARY_MUTATIONS } from './primary-mutations.ts';
import { SECONDARY_MUTATIONS } from './secondary-mutations.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...JOURNAL_MUTATIONS,
  ...SECONDARY_MUTATIONS,
  ...PRIMARY_MUTATIONS,
  ...AGREEMENT_MUTATIONS,
  ...PEER_MUTATIONS,
];
