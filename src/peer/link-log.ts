/** What happens on a peer's links, and how its log says it. */

export type PeerLinkEvent =
  | { readonly kind: 'agreed'; readonly address: string; readonly label: string }
  /** `final`: this host must not hold records of that secondary, and dialling again cannot change it. */
  | {
      readonly kind: 'refused';
      readonly address: string;
      readonly label: string;
      readonly code: string;
      readonly sentence: string;
      readonly final: boolean;
    }
  | { readonly kind: 'waiting'; readonly address: string; readonly label: string; readonly sentence: string }
  | { readonly kind: 'violation'; readonly address: string; readonly violation: string }
  | { readonly kind: 'notRecorded'; readonly address: string; readonly message: string }
  | { readonly kind: 'fetched'; readonly address: string; readonly records: number; readonly unreadable: string | null }
  | { readonly kind: 'lost'; readonly address: string; readonly code: number; readonly reason: string }
  | { readonly kind: 'dialFailed'; readonly address: string; readonly message: string };

export type PeerLog = (level: 'info' | 'warn' | 'error', message: string, details?: Record<string, unknown>) => void;

export function logLinkEvent(log: PeerLog, event: PeerLinkEvent): void {
  const { address } = event;
  switch (event.kind) {
    case 'agreed':
      return log('info', `link to ${address}: ${event.label}`);
    case 'refused':
      return log('error', `refused at ${address}: ${event.sentence}`, { label: event.label, code: event.code });
    case 'waiting':
      return log('info', `${address} asks to wait: ${event.sentence}`, { label: event.label });
    case 'violation':
      return log('warn', `link to ${address} closed: ${event.violation}`, { code: 'ERR_PROTOCOL_VIOLATION' });
    case 'notRecorded':
      return log('error', `what the secondary at ${address} says could not be recorded: ${event.message}`);
    case 'fetched':
      log('info', `the secondary at ${address} fetched ${event.records} records`);
      if (event.unreadable !== null) log('warn', `${event.unreadable}; the secondary was told`);
      return undefined;
    case 'lost':
      return log('warn', `link to ${address} lost (${event.code}${event.reason === '' ? '' : `, ${event.reason}`})`);
    case 'dialFailed':
    default:
      return log('info', `cannot reach ${address}: ${event.message}`);
  }
}
