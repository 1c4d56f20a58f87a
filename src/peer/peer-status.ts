/** The status report of a peer (OPERATOR.md). */
import { NO_LATENCIES, NO_POSITIONS, type HostStatus, type StatusReport } from '../model/status.ts';
import type { Peer } from './peer.ts';

/** Build the report from what the running peer knows; cheap enough to be asked every second. */
export function peerStatus(peer: Peer): StatusReport {
  const { state, options, links, region } = peer;
  const { status, reason } = stateOf(peer);
  return {
    role: 'peer',
    group: options.group,
    groupId: state.groupId,
    generation: state.generations.at(-1)?.number ?? 0,
    generations: state.generations,
    stream: state.stream,
    session: peer.session,
    state: status,
    reason,
    mode: status === 'replicating' ? 'write-back' : 'none',
    // The secondary's table: this host has no volumes of its own.
    volumes: state.volumes.map(({ name, vlun, sizeBytes }) => ({ name, vlun, sizeBytes, path: '', store: '' })),
    dataSets: NO_POSITIONS,
    sequence: NO_POSITIONS,
    consistentAt: null,
    behind: { dataSets: 0, bytes: 0, seconds: 0, etaSeconds: null },
    objectiveSeconds: options.objectiveMs / 1000,
    journals: { slots: 0, active: 0, partial: 0, failed: 0 },
    links: linkReports(peer),
    peer: null,
    nvram: {
      path: options.nvram.path,
      sizeBytes: options.nvram.sizeBytes,
      hold: options.nvram.hold,
      regionId: region?.regionId ?? state.region?.id ?? '',
      heldRecords: region === null ? 0 : region.head - region.tail,
      heldBytes: region?.heldBytes ?? 0,
      freeBytes: region?.freeBytes ?? 0,
    },
    rejects: 0,
    duplicates: 0,
    resends: 0,
    lastCut: null,
    backlog: null,
    nbd: null,
    latencies: NO_LATENCIES,
    eventLoop: null,
    statusPage: null,
    replication: null,
    divergedFrom: null,
    lastRefusal: links?.lastRefusal ?? null,
    pid: process.pid,
    uptimeSeconds: (Date.now() - peer.startedAtMs) / 1000,
  };
}

function linkReports({ links }: Peer): StatusReport['links'] {
  const ready = new Set(links?.readyLinks ?? []);
  return (links?.dialer.paths ?? []).map(({ address, link, lastError }) => ({
    address,
    up: link !== null && ready.has(link),
    error: lastError,
    sentBytes: link?.sentBytes ?? 0,
    receivedBytes: link?.receivedBytes ?? 0,
  }));
}

function stateOf(peer: Peer): { status: HostStatus; reason: string | null } {
  const { phase, links } = peer;
  if (phase !== 'holding') return { status: phase, reason: peer.reason };
  if (peer.isConnected) return { status: 'replicating', reason: null };
  if ((links?.readyLinks.length ?? 0) > 0)
    return { status: 'disconnected', reason: 'the secondary says nothing any more, on a link that is still open' };
  const errors = links?.dialer.paths.map((path) => path.lastError).filter((error) => error !== null) ?? [];
  const reason = links?.lastRefusal ?? errors[0] ?? 'no link to the secondary is up yet';
  return { status: links?.hasMet === true ? 'disconnected' : 'connecting', reason };
}
