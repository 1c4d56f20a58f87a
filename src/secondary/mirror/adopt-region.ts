/** What a secondary owes to a region of NVRAM when it starts and when it stops (DESIGN section 8). */
import { CorruptionError, messageOf, RefusedError } from '../../model/errors.ts';
import { LIMITS } from '../../model/limits.ts';
import { CLOSE_CODE } from '../../record/close-codes.ts';
import { encodeMessage } from '../../record/wire.ts';
import type { Secondary } from '../secondary.ts';
import { heldRecordsOf, WITHOUT_PEER_HINT } from './secondary-mirror.ts';

/** How the reading of a region ended. */
export type RegionReading =
  | { readonly verdict: 'clean-end' }
  | { readonly verdict: 'unreadable'; readonly offset: number; readonly expected: string; readonly found: string };

/** A region that this host held as a peer, and whose secondary it now becomes. */
export interface AdoptedRegion {
  readonly source: string;
  /** Encoded records, a few hundred KiB at a time, oldest first; at last whether all that is held could be read. */
  segments(): Iterator<{ readonly encoded: Uint8Array }, RegionReading>;
  /** Called when everything is journaled. */
  adopted(report: { readonly records: number; readonly added: number }): void;
}

/** Journals of a takeover get bytes so far ahead of their disk at most. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024;
const JOURNAL_MS = 120_000;

/** Take the region's records into the journals. @throws RefusedError ERR_PEER_CONTRADICTION, ERR_ADOPTION_STUCK */
export async function adoptRegion(secondary: Secondary, region: AdoptedRegion): Promise<void> {
  const held = heldRecordsOf(secondary, region.source);
  const pendingBytes = (): number => secondary.ring?.pendingBytes ?? 0;
  const journaled = async (bytesMax: number): Promise<void> => {
    const isDone = await secondary.until(() => pendingBytes() <= bytesMax || secondary.phase === 'failed', JOURNAL_MS);
    if (!isDone || secondary.phase === 'failed')
      throw new RefusedError(
        'ERR_ADOPTION_STUCK',
        `the journals do not take what ${region.source} holds: ${secondary.reason ?? 'nothing moved'}`,
        {
          hint: 'mend the disk and start this host again: what the region holds is still there',
        },
      );
  };
  const segments = region.segments();
  let next = segments.next();
  for (; next.done !== true; next = segments.next()) {
    const fault = held.take(encodeMessage({ kind: 'records', encoded: next.value.encoded }));
    if (fault !== null) throw regionDamaged(region.source, fault);
    await journaled(PENDING_BYTES_MAX);
  }
  // What it held when it was opened and cannot be read any more was acknowledged, perhaps.
  if (next.value.verdict === 'unreadable')
    throw regionDamaged(region.source, `byte ${next.value.offset}: expected ${next.value.expected}, found ${next.value.found}`);
  await journaled(0);
  // From here on the journals alone have everything: a start needs the region no more.
  if (secondary.state.condition === 'taking-over') secondary.writeState({ condition: 'active' });
  region.adopted({ records: held.records, added: held.added });
}

function regionDamaged(source: string, what: string): CorruptionError {
  return new CorruptionError('ERR_NVRAM_DAMAGED', `${source}: ${what}`, {
    hint: 'look at it with "farshore nvram verify"; what was read of it so far is in the journals, and the takeover can be run again',
  });
}

/** A takeover that a crash interrupted is finished by whoever has the region. @throws RefusedError ERR_TAKEOVER_UNFINISHED */
export function checkTakeoverFinished({ state, options }: Pick<Secondary, 'state' | 'options'>): void {
  if (state.condition !== 'taking-over' || options.adopt !== undefined) return;
  throw new RefusedError(
    'ERR_TAKEOVER_UNFINISHED',
    'a takeover began on this host and is not finished: its region may hold acknowledged records',
    {
      hint: 'start it with the config of the peer, which finishes the takeover: farshore start -c FILE',
    },
  );
}

/** Refuse to go on without a peer that may hold more, unless the operator gives it up. @throws RefusedError ERR_PEER_NEEDED */
export function checkPeerNeeded(secondary: Secondary): void {
  const { options, state } = secondary;
  const region = state.peerMayHoldMore ?? null;
  if (region === null || !options.dial) return;
  if (options.withoutPeer === true) {
    options.log(
      'warn',
      `started without the peer: acknowledged records that only region ${region} holds are given up; the handshake with the primary tells whether any is missing`,
    );
    secondary.writeState({ peerMayHoldMore: null });
  } else if (secondary.mirror === null) {
    throw new RefusedError(
      'ERR_PEER_NEEDED',
      `region ${region} of the peer may hold acknowledged records that no journal here has, and the config names no peer`,
      {
        hint: `put "mode: write-back" and "peer" back into the config; ${WITHOUT_PEER_HINT}`,
      },
    );
  }
}

/** At a stop: journal what is acknowledged, then say durably that nothing needs the peer. The mark stays when that is not done in time. */
export async function leavePeer(secondary: Secondary): Promise<void> {
  const { mirror, links, replica, ring, state } = secondary;
  if (mirror === null) return;
  const mayUnmark = mirror.awaited === null && replica !== null && ring !== null && !replica.failed;
  links?.freeze();
  const isLevel = mayUnmark && (await secondary.until(() => ring.pendingBytes === 0, LIMITS.cleanStopMs));
  mirror.mirror.stop(CLOSE_CODE.shutdown, 'the secondary stops');
  if (!isLevel || replica.machine.exposed > 0 || state.peerMayHoldMore == null) return;
  try {
    secondary.writeState({ peerMayHoldMore: null });
  } catch (error) {
    secondary.options.log(
      'warn',
      `the state folder does not take that the peer is not needed: ${messageOf(error)}; the next start waits for it`,
    );
  }
}
