/** Refusals of a takeover: each says what stands in its way, and that nothing was changed. */
import { RefusedError, UsageError } from '../model/errors.ts';
import type { HostState } from '../state/host-state.ts';

export function takeoverConfigMissing(): UsageError {
  return new UsageError(
    'ERR_TAKEOVER_CONFIG',
    'the config of this peer has no section "takeover": where its own paths to the shared storage are',
    {
      hint: 'add volumes, journals and replication under "takeover" (farshore config sample peer shows them), and run it again',
    },
  );
}

export function takeoverUnbound(): RefusedError {
  return new RefusedError(
    'ERR_TAKEOVER_UNBOUND',
    'this peer has never met its secondary, so it knows neither the group nor the journals, and holds nothing',
    { hint: 'start the secondary; if it is lost, the primary still has everything that was not acknowledged' },
  );
}

export function takenOverAlready(state: HostState): RefusedError {
  return new RefusedError('ERR_TAKEN_OVER', `this host took the place of its secondary already: it has host epoch ${state.hostEpoch}`, {
    hint: 'start it: farshore start -c FILE',
  });
}

export function takeoverPromoted(generation: number, afterDataSet: number | null): RefusedError {
  return new RefusedError(
    'ERR_TAKEOVER_PROMOTED',
    `the secondary was promoted: generation ${generation} began on the shared storage after ${afterDataSet === null ? 'no data set' : `data set ${afterDataSet}`}, and its volumes have been written to since. What this region holds is of a history that is over`,
    { hint: 'serve the volumes with the promoted host: its state folder belongs to them; a takeover would mix two histories' },
  );
}

export function takeoverRole(state: HostState): RefusedError {
  return new RefusedError('ERR_ROLE', `the state is that of a ${state.role} (${state.condition}); takeover is given to a peer`);
}

export function secondaryConnected(): RefusedError {
  return new RefusedError(
    'ERR_SECONDARY_CONNECTED',
    'the secondary is connected to this peer: it is not gone, and two hosts must never write one copy',
    { hint: 'stop the secondary first; one that hangs is not taken for connected when it has been silent for some seconds' },
  );
}

export function fenceNeeded(): RefusedError {
  return new RefusedError(
    'ERR_FENCE_NEEDED',
    'nothing says that the secondary is shut out of the shared storage: a host that only seems gone would go on writing to it, and ruin the copy',
    {
      hint: 'shut it out (power it off, revoke its access), then say --fenced; or put the command that does it into takeover.fence',
    },
  );
}

export function fenceFailed(argv: readonly string[], why: string): RefusedError {
  return new RefusedError(
    'ERR_FENCE_FAILED',
    `the fence command ${JSON.stringify(argv)} ${why}: the secondary may not be shut out, nothing was changed`,
    {
      hint: 'mend the command, or shut the secondary out by hand and say --fenced',
      details: { fence: [...argv] },
    },
  );
}

export function regionGone(path: string, why: string): RefusedError {
  return new RefusedError(
    'ERR_TAKEOVER_REGION',
    `${path} ${why}: acknowledged records that only this peer held may be gone, and then the copy lacks them`,
    {
      hint: 'bring the file back; --force goes on with what the journals have, and the primary, which is asked before anything else is acknowledged, refuses a copy that lacks acknowledged records',
      details: { path },
    },
  );
}

export function takeoverJournals(directory: string, why: string): RefusedError {
  return new RefusedError(
    'ERR_TAKEOVER_JOURNALS',
    `the journals in ${directory} are not those of this peer's secondary: ${why}; nothing was changed`,
    {
      hint: 'correct takeover.journals.path',
      details: { directory },
    },
  );
}
