/** What links to the primary and to the peer do, as lines of the log. */
import type { SecondaryLinkEvent } from './secondary-links.ts';
import type { SecondaryOptions } from './secondary.ts';
import type { MirrorEvent } from './mirror/mirror.ts';
import type { PeerLinkEvent } from './mirror/peer-links.ts';

type Log = SecondaryOptions['log'];

export function logLinkEvent(log: Log, event: SecondaryLinkEvent): void {
  const { address } = event;
  if (event.kind === 'agreed') log('info', `link to ${address}: ${event.label}`);
  else if (event.kind === 'lost') log('warn', `link to ${address} lost (${closing(event)})`);
  else if (event.kind === 'violation') log('warn', `link to ${address} closed: ${event.violation}`, { code: 'ERR_PROTOCOL_VIOLATION' });
  else if (event.kind === 'damaged') log('warn', `from ${address}: ${event.damage}; it is asked for again`, { code: 'ERR_RECORD_DAMAGED' });
  else if (event.kind === 'dialFailed') log('info', `cannot reach ${address}: ${event.message}`);
  else if (event.kind === 'waiting') log('info', `${address} asks to wait: ${event.sentence}`, { label: event.label });
  else log('error', `refused at ${address}: ${event.sentence}`, { label: event.label, code: event.code });
}

export function logPeerEvent(log: Log, event: PeerLinkEvent | MirrorEvent): void {
  switch (event.kind) {
    case 'met':
      return log('info', `peer link from ${event.address}: ${event.label}`);
    case 'lost':
      return log('warn', `peer link from ${event.address} lost (${closing(event)})`);
    case 'violation':
      return log('warn', `peer link from ${event.address} closed: ${event.violation}`, { code: 'ERR_PROTOCOL_VIOLATION' });
    case 'waiting':
      return log('info', `the peer at ${event.address} has to wait: ${event.sentence}`, { label: event.label, code: event.code });
    case 'refused':
      return log('error', `the peer at ${event.address} is refused: ${event.sentence}`, { label: event.label, code: event.code });
    case 'joined':
      return log(
        'info',
        `write-back: the peer at ${event.address} holds records in region ${event.facts.regionId} (hold: ${event.facts.hold})`,
      );
    case 'write-through':
      return log(
        'warn',
        `write-through: ${event.reason}${event.exposed === 0 ? '' : `; ${event.exposed} acknowledged records are journaled first`}`,
        { exposedRecords: event.exposed },
      );
    case 'unmarked':
      return log('info', 'everything acknowledged is journaled: a restart of this host need not wait for the peer');
    case 'mark failed':
      return log('error', `no write-back: the state folder does not take which peer may hold more: ${event.message}`);
  }
}

function closing({ code, reason }: { code: number; reason: string }): string {
  return `${code}${reason === '' ? '' : `, ${reason}`}`;
}
