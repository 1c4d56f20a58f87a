/** Judges of what a host does with messages: it refuses what breaks the protocol, and nothing else. @invariant I6 I7 I8 */
import { CLOSE_CODE } from '../record/close-codes.ts';
import type { DecodedRecord } from '../record/contract.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { VOLUMES } from './setting.ts';
import type { SimulatedSocket } from './socket.ts';
import { violated } from './violation.ts';

/** A message arrives at a secondary; `stray` stands behind its own records and may not be taken. */
export function judgeArrival(
  host: SecondaryHost | null,
  { to, stray, handOver }: { to: SimulatedSocket; stray: DecodedRecord | null; handOver: () => void },
): void {
  const replica = host?.secondary?.replica ?? null;
  // The records before the stray one are taken within the same step, so the place of their data set is the one of now.
  const mustBeRefused =
    stray !== null &&
    host !== null &&
    replica !== null &&
    host.phase === 'up' &&
    host.promotion === 'none' &&
    !replica.failed &&
    isWrong(host, stray);
  handOver();
  if (mustBeRefused && !replica.failed && !to.life.dead && to.state === 'open')
    violated(
      'protocol',
      `record ${stray.sequence} of data set ${stray.dataSet}, which contradicts its stream, volume or data set, was taken`,
    );
}

/** Whether the host must know that this record cannot be its primary's. */
function isWrong(host: SecondaryHost, stray: DecodedRecord): boolean {
  const { state, replica } = host.secondary ?? {};
  if (state === undefined || replica === undefined || replica === null) return false;
  if (stray.stream !== state.stream || stray.generation !== state.generations.at(-1)?.number) return true;
  const volume = VOLUMES.find(({ vlun }) => vlun === stray.vlun);
  if (stray.type !== 'sync' && (volume === undefined || stray.lba * 512 + stray.lengthBytes > volume.sizeBytes)) return true;
  const { origin, windowHigh } = replica.machine;
  // Above the window it is rejected like any other.
  if (stray.dataSet > windowHigh) return false;
  if (stray.dataSet >= origin.dataSet) return true;
  // The volumes have what is below, whatever it says, unless it gives a number that they do not have.
  return (
    stray.sequence >= origin.firstSequence ||
    (stray.type === 'sync' && stray.dataSet === origin.dataSet - 1 && stray.sequence !== origin.firstSequence - 1)
  );
}

/** What a host tells its primary that another one has replaced counts no more, once the primary knows that one. @invariant I2 */
export function judgeArbiter(primary: PrimaryHost, sender: SecondaryHost | null, handOver: () => void): void {
  const unacknowledged = (): number => primary.primary?.order?.machine.unacknowledgedBytes ?? 0;
  const before = unacknowledged();
  const isReplaced = sender?.isReplaced === true && (primary.primary?.state.hostEpoch ?? 0) > 0;
  handOver();
  if (isReplaced && unacknowledged() < before)
    violated('takeover', `the primary counts what ${sender.name} acknowledges, which was replaced`);
}

/** A host says that the other one broke the protocol. */
export function judgeClosing(socket: SimulatedSocket, code: number, reason: string): void {
  if (code !== CLOSE_CODE.protocolViolation || socket.provoked || socket.peer?.provoked === true) return;
  if (reason === 'no handshake in time') return;
  violated('protocol', `${socket.life.name} closed a link for a violation that nobody committed: ${reason}`);
}
