/** Why a primary refuses to start: going on could let the two histories diverge. */
import { RefusedError } from '../model/errors.ts';

export const SUPERSEDED_HINT =
  'the volumes here are an old history; serve the promoted host, and initialise this one anew when its data is no longer needed';

export function superseded(reason: string | null): RefusedError {
  return new RefusedError('ERR_SUPERSEDED', `this primary was superseded: ${reason ?? 'its secondary was promoted'}`, {
    hint: SUPERSEDED_HINT,
  });
}

export function groupFailed(reason: string | null): RefusedError {
  return new RefusedError('ERR_GROUP_FAILED', `this primary failed: ${reason ?? 'a store or flush failed'}`, {
    hint: 'promote the secondary, or serve these volumes without their copy: farshore start -c FILE --standalone',
  });
}

export function uncleanStop(stateDirectory: string): RefusedError {
  return new RefusedError(
    'ERR_UNCLEAN_STOP',
    `the last stop of this primary was not clean (no marker in ${stateDirectory}): its volumes may hold writes that were never sent, and the stream cannot go on`,
    {
      hint: 'either promote the secondary (farshore promote -c FILE there), or serve these volumes without their copy: farshore start -c FILE --standalone',
    },
  );
}
