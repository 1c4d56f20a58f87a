/**
 * Write-back on one secondary: its mirror, and the peer that it waits for after a restart while its durable state says that the peer
 * may hold more (DESIGN section 8).
 */
import { FarshoreError, messageOf, RefusedError } from '../../model/errors.ts';
import { PROTOCOL_VERSION } from '../../model/handshake.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import type { PeeredFacts } from '../../model/peer.ts';
import type { WireRecord } from '../../record/contract.ts';
import { logPeerEvent } from '../link-log.ts';
import type { Secondary } from '../secondary.ts';
import { HeldRecords } from './held-records.ts';
import { Mirror, type MirrorEvent } from './mirror.ts';
import type { PeerLinkEvent } from './peer-links.ts';

export const WITHOUT_PEER_HINT =
  'bring the peer back, or give up what only it holds: farshore start -c FILE --without-peer; acknowledged writes may be lost then';

export class SecondaryMirror {
  readonly mirror: Mirror;
  /** While this host waits for its peer after a restart. */
  awaited: HeldRecords | null = null;
  readonly #secondary: Secondary;
  #whenFetched: () => void = () => {};

  constructor(secondary: Secondary) {
    const { options } = secondary;
    this.#secondary = secondary;
    this.mirror = new Mirror({
      listen: options.peerListen ?? [],
      openLinks: options.openPeerLinks,
      facts: () => peeredFacts(secondary),
      replica: () => secondary.replica,
      marked: () => secondary.state.peerMayHoldMore ?? null,
      mark: (region) => secondary.writeState({ peerMayHoldMore: region }),
      awaited: () => this.awaited,
      fetched: (records, unreadable) => this.#fetched(records, unreadable),
      failed: (error) => secondary.fail(error instanceof FarshoreError ? error.code : 'ERR_UNEXPECTED', messageOf(error)),
      onEvent: (event) => this.#event(event),
      moved: () => secondary.moved(),
    });
  }

  /** Wait for the peer, then go on; until then nothing is told to a primary. */
  await(whenFetched: () => void): void {
    const secondary = this.#secondary;
    const { replica, options, state } = secondary;
    const region = state.peerMayHoldMore ?? '';
    if (replica === null)
      throw new RefusedError('ERR_PEER_NEEDED', `region ${region} may hold records of this host, whose journals are blank`);
    this.#whenFetched = whenFetched;
    this.awaited = heldRecordsOf(secondary, `region ${region}`);
    secondary.phase = 'waiting-for-peer';
    secondary.reason = `region ${region} of the peer may hold acknowledged records that no journal has: waiting for the peer, and for no primary`;
    options.log('warn', `${secondary.reason}; ${WITHOUT_PEER_HINT}`);
  }

  #fetched(records: number, unreadable: string | null): void {
    const { log } = this.#secondary.options;
    const added = this.awaited?.added ?? 0;
    this.awaited = null;
    if (unreadable !== null)
      log(
        'warn',
        `${unreadable}; acknowledged records may be gone from both hosts: the handshake with the primary tells whether any is missing`,
      );
    log('info', `the peer held ${records} records; ${added} of them were in no journal, and are now`);
    this.#secondary.reason = null;
    this.#whenFetched();
  }

  #event(event: PeerLinkEvent | MirrorEvent): void {
    const secondary = this.#secondary;
    logPeerEvent(secondary.options.log, event);
    secondary.moved();
  }
}

/** Records of another host's region, taken into this host's journals. */
export function heldRecordsOf(secondary: Secondary, source: string): HeldRecords {
  const { replica, options } = secondary;
  if (replica === null) throw new RefusedError('ERR_PEER_NEEDED', `${source} holds records, but this host belongs to no group`);
  const volumeBytes = new Map(options.volumes.map((volume) => [volume.vlun, volume.sizeBytes]));
  return new HeldRecords({
    replica,
    stream: secondary.recordStream(),
    source,
    isInside: (record: WireRecord) =>
      record.sync !== null || record.lba * BLOCK_BYTES + record.lengthBytes <= (volumeBytes.get(record.vlun) ?? -1),
  });
}

function peeredFacts({ state, options, session }: Secondary): PeeredFacts | null {
  const { groupId, stream, generations, hostEpoch, volumes } = state;
  if (groupId === null || stream === null) return null;
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'secondary',
    groupName: options.group,
    groupId,
    generations,
    stream,
    session,
    hostEpoch,
    volumes,
    geometry: options.journals.geometry,
  };
}
