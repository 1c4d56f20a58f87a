/** The ways in which the records of a history reach the secondary, as messages of one or more lives; a new life begins without a loss. */
import type { Message } from './life.ts';
import type { SmallHistory, SmallRecord } from './small-history.ts';
import { GEOMETRY } from './small-setting.ts';

export interface Delivery {
  readonly name: string;
  /** Messages of one life after another; what is missing at the end of the last one is sent again. */
  readonly lives: readonly (readonly Message[])[];
}

/** Shorter than a commit, so that records arrive while others are written. */
const GAP_US = 60;
/** Long enough for some data sets to be destaged. */
const LATE_US = 2_000;

export function deliveriesOf(history: SmallHistory): Delivery[] {
  const { records } = history;
  const inOrder = records.map((record) => one(record));
  const deliveries: Delivery[] = [
    { name: 'in order', lives: [inOrder] },
    { name: 'in order, each data set at once', lives: [history.sets.map((set) => ({ link: 1, gapUs: GAP_US, records: set.records }))] },
    { name: 'reversed', lives: [reversed(history)] },
    { name: 'duplicated', lives: [duplicated(inOrder)] },
    { name: 'interleaved over two links', lives: [interleaved(records)] },
  ];
  for (const missing of missingOf(history)) {
    const rest = inOrder.filter(({ records: [record] }) => record !== missing);
    deliveries.push({ name: `number ${missing.sequence} missing, sent after a restart`, lives: [rest, [one(missing)]] });
  }
  return deliveries;
}

function one(record: SmallRecord, link = 1): Message {
  return { link, records: [record], gapUs: GAP_US };
}

/** Each at once and after the next one again, and all together late, when some are destaged. */
function duplicated(inOrder: readonly Message[]): Message[] {
  const twice = inOrder.flatMap((message, index) => [message, { ...message, gapUs: 0 }, ...inOrder.slice(Math.max(0, index - 1), index)]);
  return [...twice, { link: 2, gapUs: LATE_US, records: inOrder.flatMap(({ records }) => records) }];
}

/** As far as the window reaches; what comes after waits for it, and is then reversed too. */
function reversed({ sets }: SmallHistory): Message[] {
  const messages: Message[] = [];
  for (let from = 0; from < sets.length; from += GEOMETRY.slots)
    messages.push(
      ...sets
        .slice(from, from + GEOMETRY.slots)
        .flatMap((set) => set.records)
        .toReversed()
        .map((record) => one(record)),
    );
  return messages;
}

/** The second link is two records behind the first. */
function interleaved(records: readonly SmallRecord[]): Message[] {
  const [first, second] = [0, 1].map((link) => records.filter((_, index) => index % 2 === link).map((record) => one(record, link + 1)));
  return (first ?? []).flatMap((message, index) => [message, ...(second ?? []).slice(index - 1, index)]).concat((second ?? []).slice(-1));
}

/** Which number is missing for a while: the first write, a sync, and a last write. */
function missingOf({ sets }: SmallHistory): SmallRecord[] {
  const first = sets[0]?.records[0];
  const lastSet = sets.at(-1)?.records ?? [];
  const chosen = [first, sets.length > 1 ? sets[0]?.records.at(-1) : undefined, lastSet.at(-2) ?? lastSet.at(-1)];
  return [...new Set(chosen.filter((record) => record !== undefined))];
}
