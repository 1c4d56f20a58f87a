/** What the primary's log says of its links. */
import type { PrimaryOptions } from './primary-options.ts';
import type { LinkEvent } from './primary-links.ts';

/** Write one line on what happened on a link. */
export function logLinkEvent(log: PrimaryOptions['log'], event: LinkEvent): void {
  const { address } = event;
  switch (event.kind) {
    case 'agreed':
      log('info', `link from ${address}: ${event.label}`, { session: event.session });
      return;
    case 'lost':
      log('warn', `link from ${address} lost (${event.code}${event.reason === '' ? '' : `, ${event.reason}`})`);
      return;
    case 'violation':
      log('warn', `link from ${address} closed: ${event.violation}`, { code: 'ERR_PROTOCOL_VIOLATION' });
      return;
    case 'hostEpoch':
      if (event.error === null)
        log(
          'warn',
          `the secondary at ${address} took the place of another: host epoch ${event.hostEpoch} is recorded, hosts with a lower one are shut out`,
        );
      else
        log(
          'error',
          `host epoch ${event.hostEpoch} of the secondary at ${address} could not be recorded, so it gets no answer: ${event.error}`,
        );
      return;
    default:
      log(event.kind === 'refused' ? 'error' : 'info', `secondary at ${address} ${event.kind}: ${event.sentence}`, { label: event.label });
  }
}
